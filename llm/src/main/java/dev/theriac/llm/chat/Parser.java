package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Token.Kind;
import java.util.ArrayList;
import java.util.List;

/** Reads the statements of a template; {@link ExprParser} reads its expressions. */
final class Parser {
  private final TokenStream in;
  private final ExprParser expressions;
  private int loops;

  private Parser(TokenStream in) {
    this.in = in;
    this.expressions = new ExprParser(in);
  }

  static List<Node> parse(String name, String source) {
    TokenStream in = new TokenStream(name, Lexer.tokens(name, source));
    Parser parser = new Parser(in);
    List<Node> body = parser.body(List.of());
    if (in.peek().kind() != Kind.END) throw in.unexpected();
    return body;
  }

  /** Statements up to one of {@code ends}, of which the name is consumed, or to the end. */
  private List<Node> body(List<String> ends) {
    List<Node> out = new ArrayList<>();
    in.deeper();
    while (true) {
      Token token = in.peek();
      switch (token.kind()) {
        case DATA -> out.add(new Node.Text((String) in.next().value()));
        case PRINT -> {
          in.next();
          out.add(new Node.Print(expressions.tuple(), token.line()));
          in.expect(Kind.PRINT_END);
        }
        case BLOCK -> {
          in.next();
          Token keyword = in.expect(Kind.NAME);
          if (ends.contains(keyword.value())) {
            in.back();
            in.shallower();
            return out;
          }
          Node node = statement((String) keyword.value(), keyword.line());
          in.expect(Kind.BLOCK_END);
          out.add(node);
        }
        default -> {
          if (!ends.isEmpty())
            throw in.bad("{% " + String.join(" %} or {% ", ends) + " %} is missing");
          in.shallower();
          return out;
        }
      }
    }
  }

  /** Statements up to {@code end}, which is consumed but for its closing. */
  private List<Node> blockUntil(String end) {
    in.expect(Kind.BLOCK_END);
    List<Node> out = body(List.of(end));
    in.next();
    return out;
  }

  private Node statement(String keyword, int line) {
    return switch (keyword) {
      case "if" -> parseIf();
      case "for" -> parseFor(line);
      case "set" -> parseSet(line);
      case "macro" -> parseMacro();
      case "with" -> parseWith(line);
      case "generation" -> new Node.Generation(blockUntil("endgeneration"));
      case "filter" -> {
        Expr filter = expressions.filters(null, true);
        yield new Node.FilterBlock(filter, blockUntil("endfilter"));
      }
      case "break", "continue" -> {
        if (loops == 0) throw in.bad("{% " + keyword + " %} outside of a loop");
        yield keyword.equals("break") ? new Node.Break() : new Node.Continue();
      }
      default -> throw in.bad("{% " + keyword + " %} is not supported in chat templates");
    };
  }

  private Node parseIf() {
    List<Expr> tests = new ArrayList<>();
    List<List<Node>> bodies = new ArrayList<>();
    while (true) {
      tests.add(expressions.tupleWithoutChoice());
      in.expect(Kind.BLOCK_END);
      bodies.add(body(List.of("elif", "else", "endif")));
      String end = (String) in.next().value();
      if (end.equals("elif")) continue;
      List<Node> other = end.equals("else") ? blockUntil("endif") : List.of();
      return new Node.If(tests, bodies, other);
    }
  }

  private Node parseFor(int line) {
    Expr target = expressions.target(false);
    in.expectName("in");
    Expr values = expressions.tupleWithoutChoice();
    Expr filter = in.skipName("if") ? expressions.expression() : null;
    boolean recursive = in.skipName("recursive");
    in.expect(Kind.BLOCK_END);
    loops++;
    List<Node> body = body(List.of("else", "endfor"));
    loops--;
    List<Node> other = in.next().value().equals("else") ? blockUntil("endfor") : List.of();
    return new Node.For(target, values, filter, recursive, body, other, line);
  }

  private Node parseSet(int line) {
    Expr target = expressions.target(true);
    if (in.skip("=")) return new Node.Set(target, expressions.tuple(), line);
    Expr filter = expressions.filters(null, false);
    return new Node.SetBlock(target, filter, blockUntil("endset"), line);
  }

  private Node parseMacro() {
    String name = (String) in.expect(Kind.NAME).value();
    List<String> parameters = new ArrayList<>();
    List<Expr> defaults = new ArrayList<>();
    in.expect("(");
    while (!in.skip(")")) {
      if (!parameters.isEmpty()) in.expect(",");
      parameters.add((String) in.expect(Kind.NAME).value());
      if (in.skip("=")) defaults.add(expressions.expression());
      else if (!defaults.isEmpty()) throw in.bad("a parameter without a default after one with it");
    }
    int outside = loops;
    loops = 0;
    List<Node> body = blockUntil("endmacro");
    loops = outside;
    return new Node.Macro(name, parameters, defaults, body);
  }

  private Node parseWith(int line) {
    List<Expr> targets = new ArrayList<>();
    List<Expr> values = new ArrayList<>();
    while (in.peek().kind() != Kind.BLOCK_END) {
      if (!targets.isEmpty()) in.expect(",");
      targets.add(expressions.target(false));
      in.expect("=");
      values.add(expressions.expression());
    }
    return new Node.With(targets, values, blockUntil("endwith"), line);
  }
}
