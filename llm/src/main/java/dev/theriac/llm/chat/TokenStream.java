package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Token.Kind;
import java.util.List;

/** The tokens of a template, one after the other; errors name file, line and token. */
final class TokenStream {
  /** Deeper templates would exhaust the stack. */
  private static final int DEEPEST = 200;

  /** So would longer chains of operators and calls, each of which holds the one before. */
  private static final int LONGEST_CHAIN = 2000;

  private final String name;
  private final List<Token> tokens;
  private int at;
  private int depth;
  private int links;

  TokenStream(String name, List<Token> tokens) {
    this.name = name;
    this.tokens = tokens;
  }

  Token peek() {
    return tokens.get(at);
  }

  Token peekAfter() {
    return tokens.get(Math.min(at + 1, tokens.size() - 1));
  }

  Token next() {
    Token token = tokens.get(at);
    if (token.kind() == Kind.PRINT || token.kind() == Kind.BLOCK) links = 0;
    else if (token.kind() != Kind.DATA) chained();
    if (at < tokens.size() - 1) at++;
    return token;
  }

  void back() {
    at--;
  }

  boolean at(String operator) {
    return peek().is(Kind.OPERATOR, operator);
  }

  boolean atName(String word) {
    return peek().is(Kind.NAME, word);
  }

  boolean skip(String operator) {
    boolean there = at(operator);
    if (there) next();
    return there;
  }

  boolean skipName(String word) {
    boolean there = atName(word);
    if (there) next();
    return there;
  }

  Token expect(Kind kind) {
    if (peek().kind() != kind) throw unexpected();
    return next();
  }

  void expect(String operator) {
    if (!skip(operator)) throw bad("expected '" + operator + "', found '" + peek().shown() + "'");
  }

  void expectName(String word) {
    if (!skipName(word)) throw bad("expected '" + word + "', found '" + peek().shown() + "'");
  }

  void deeper() {
    if (++depth > DEEPEST) throw bad("nested more than " + DEEPEST + " deep");
  }

  void shallower() {
    depth--;
  }

  /** Counts a token; the count begins anew with each tag. */
  private void chained() {
    if (++links > LONGEST_CHAIN)
      throw bad("a tag of more than " + LONGEST_CHAIN + " tokens is too long");
  }

  ChatTemplateException unexpected() {
    return bad("unexpected '" + peek().shown() + "'");
  }

  ChatTemplateException bad(String why) {
    return new ChatTemplateException("%s: line %d: %s".formatted(name, peek().line(), why));
  }
}
