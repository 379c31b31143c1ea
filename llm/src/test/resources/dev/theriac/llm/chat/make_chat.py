"""Writes what transformers renders of chat templates and of Jinja's constructs, as chat.json.

The build does not run this; the result is committed. To make it again, in this folder:

    pip install transformers==5.18.0 jinja2==3.1.6
    python make_chat.py

The templates are written here from the descriptions of the formats.
"""

import json

from transformers.utils.chat_template_utils import render_jinja_template

LLAMA2 = """{%- if messages[0]['role'] == 'system' %}
    {%- set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set system = '' %}
    {%- set turns = messages %}
{%- endif %}
{%- for message in turns %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate: user, assistant, user, ...') }}
    {%- endif %}
    {%- set content = system + message['content'] if loop.first else message['content'] %}
    {%- if message['role'] == 'user' %}
        {{- bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' ~ content.strip() ~ ' ' ~ eos_token }}
    {%- endif %}
{%- endfor %}
"""

LLAMA3 = """{{- bos_token }}
{%- if tools is none %}{% set tools = [] %}{% endif %}
{%- set ns = namespace(date=date_string | default('26 Jul 2024'), system='') %}
{%- if messages[0]['role'] == 'system' %}
    {%- set ns.system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{{- 'Today Date: ' + ns.date + '\\n\\n' }}
{%- for tool in tools %}
    {{- tool | tojson(indent=4) }}
    {{- '\\n\\n' }}
{%- endfor %}
{{- ns.system + '<|eot_id|>' }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception('One tool call at a time') }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}
        {{- '}<|eot_id|>' }}
    {%- else %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if message["role"] in ["user", "assistant"] and message.tool_calls is not defined %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, roles must alternate user/assistant") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] | trim + eos_token }}
    {%- elif message["role"] == "tool" %}
        {{- '[TOOL_RESULTS] {"content": ' + message.content | string + "}[/TOOL_RESULTS]" }}
    {%- endif %}
{%- endfor %}
"""

QWEN2 = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful assistant.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

QWEN3 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and reasoning)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n' ~ (call.function | tojson) ~ '\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + content + '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

STABLELM = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

PHI = """{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\\n' }}
{%- elif message['role'] == 'user' %}{{ 'Instruct: ' + message['content'] + '\\n' }}
{%- else %}{{ 'Output: ' + message['content'] + '\\n' }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ 'Output:' }}{% endif %}"""

PHI3 = """{{ bos_token }}{%- for message in messages -%}
{{ '<|' + message['role'] + '|>' + '\\n' + message['content'] + '<|end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- else -%}{{ eos_token }}{%- endif -%}"""

PARTS = """{%- macro show(message) -%}
  {%- if message.content is string -%}{{ message.content }}
  {%- else -%}{%- for part in message.content -%}
    {%- if part.type == 'text' -%}{{ part.text }}{%- elif part.type == 'image' -%}<image>{%- else -%}{% continue %}{%- endif -%}
  {%- endfor -%}{%- endif -%}
{%- endmacro -%}
{% for message in messages %}
{{ message.role | upper }}: {% generation %}{{ show(message) }}{% endgeneration %}

{% endfor %}
{# the answer #}
{% if add_generation_prompt %}ASSISTANT:{% endif %}
"""

TEMPLATES = {"llama2": LLAMA2, "llama3": LLAMA3, "mistral": MISTRAL, "qwen2": QWEN2, "qwen3": QWEN3,
             "stablelm": STABLELM, "phi": PHI, "phi3": PHI3, "parts": PARTS}


def m(role, content, **more):
    return {"role": role, "content": content, **more}


CALL = {"type": "function", "function": {"name": "dose", "arguments": {"drug": "β-blocker", "mg": 2.5, "days": 3, "stat": True, "note": None}}}
TOOL = {"type": "function", "function": {"name": "dose", "description": "A dose <in mg> & \"quotes\" 'single'\n",
                                         "parameters": {"type": "object", "properties": {}, "required": []}}}
CHATS = [
    [m("user", "Is there pneumonia?")],
    [m("system", "You are a radiologist."), m("user", " 肺炎吗? 🫁 \n")],
    [m("user", "a"), m("assistant", " b \n"), m("user", "c")],
    [m("system", "s"), m("user", "a"), m("assistant", "<think>\nhm\n</think>\n\nb"), m("user", "c"), m("assistant", "d")],
    [m("user", "a"), m("user", "b")],
    [m("assistant", "a")],
    [m("user", "dose?"), m("assistant", "", tool_calls=[CALL]), m("tool", "2.5 mg"), m("tool", "ok")],
    [m("user", [{"type": "image"}, {"type": "text", "text": "What is this?"}, {"type": "audio"}])],
]

CONSTRUCTS = r"""
{{ 'a b '.strip() }}|{{ ' x '.lstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'a'.rstrip() }}
{{ none }}|{{ true }}|{{ False }}|{{ 1.0 }}|{{ 3 / 2 }}|{{ 3 // 2 }}|{{ -7 // 2 }}|{{ -7 % 3 }}|{{ 7.5 % -2 }}|{{ 2 ** 10 }}|{{ 2 ** -1 }}
{{ 1e16 }}|{{ 1e15 }}|{{ 0.0001 }}|{{ 0.00001 }}|{{ 123456.789e3 }}|{{ 1.5e-7 }}|{{ 100.0 * 3 }}|{{ 0.1 + 0.2 }}|{{ -0.0 }}|{{ 1_000 }}|{{ 0x1f }}
{{ [1, 'a', "it's", "q\"", none, 1.5, [], (1,), (1, 2), {}] }}|{{ {'a': 1, 2: 'é\n\t\\', 'b': {'c': []}} }}
{{ messages[0] }}|{{ messages[0]['role'] }}|{{ messages[-1].role }}|{{ messages[5] }}|{{ messages[0].nosuch }}
{{ 'abc'[::-1] }}|{{ 'abc'[1] }}|{{ 'abc'[-2:] }}|{{ [1,2,3,4][1:3] }}|{{ [1,2,3,4][::2] }}|{{ [1,2,3][3:0:-1] }}|{{ '肺🫁x'[1] }}|{{ '肺🫁x'|length }}
{{ 'a' ~ 1 ~ none ~ true ~ x }}|{{ 'a' 'b' }}|{{ 'x' * 3 }}|{{ [0] * 2 }}|{{ [1] + [2] }}|{{ (1,) + (2,) }}|{{ 'x' if false }}|{{ 'x' if x is defined else 'y' }}
{{ x is defined }}|{{ x is not defined }}|{{ not x }}|{{ x is undefined }}|{{ none is none }}|{{ messages is string }}|{{ messages is iterable }}|{{ messages[0] is mapping }}|{{ 'a' is sequence }}|{{ 1 is number }}|{{ true is number }}|{{ true is boolean }}|{{ 1 is integer }}|{{ 1.0 is float }}|{{ x is none }}
{{ 4 is divisibleby 2 }}|{{ 3 is odd }}|{{ 3 is even }}|{{ 1 is eq 1 }}|{{ 1 is in [1, 2] }}|{{ 'A' is upper }}|{{ 'a1' is lower }}|{{ 1 is sameas 1 }}|{{ true is true }}|{{ 1 is true }}|{{ 3 is gt 2 and 2 is lt 3 }}
{{ 1 == 1.0 }}|{{ 1 == true }}|{{ 'a' == 1 }}|{{ [1] == [1.0] }}|{{ (1,) == [1] }}|{{ {'a': 1} == {'a': 1} }}|{{ 1 < 2 < 3 }}|{{ 1 < 3 < 2 }}|{{ 'a' < 'b' }}|{{ [1, 2] < [1, 3] }}|{{ x == y }}|{{ x == none }}
{{ 1 or 2 }}|{{ 0 or '' }}|{{ 0 and 1 }}|{{ [] or 'e' }}|{{ not 1 == 2 }}|{{ 1 in [1] and 2 not in [1] }}|{{ 'ell' in 'hello' }}|{{ 'role' in messages[0] }}|{{ 1 if 1 else 2 if 0 else 3 }}
{{ {'a': [1, 'é', none, true, 1.5]} | tojson }}|{{ '<a href="x">&\u2028\x7f\x01' | tojson }}|{{ [] | tojson(indent=2) }}|{{ {'b': {}, 'a': [1, {'c': 2}]} | tojson(indent=2) }}|{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}|{{ 'é🫁' | tojson(ensure_ascii=true) }}|{{ [1, 2] | tojson(separators=(',', ':')) }}|{{ {1: 2, true: 3, none: 4} | tojson }}
{{ messages | map(attribute='role') | join(', ') }}|{{ messages | selectattr('role', 'equalto', 'user') | list | length }}|{{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='role') | list }}|{{ [1, 2, 3] | select('odd') | list }}|{{ [0, 1, ''] | select | list }}|{{ ['a', 'b'] | map('upper') | list }}|{{ [1, 2, 3] | reject('gt', 2) | list }}
{{ ' a ' | trim }}|{{ 'abc' | upper }}|{{ 'ABC' | lower }}|{{ 'hELLO wORLD' | capitalize }}|{{ "hELLO wORLD's x-ray" | title }}|{{ "they're bill's x" .title() }}|{{ 'aXbXc' | replace('X', '-') }}|{{ 'aXbXc'.replace('X', '', 1) }}|{{ 'ab' | replace('', '-') }}|{{ [3, 1, 2] | sort }}|{{ ['b', 'A', 'c'] | sort }}|{{ ['b', 'A'] | sort(case_sensitive=true) }}|{{ [1, 2] | sort(reverse=true) }}
{{ [1, 1, 2] | unique | list }}|{{ [1, 2, 3] | sum }}|{{ [1, 2, 3] | max }}|{{ [3, 1] | min }}|{{ 'abc' | first }}|{{ [1, 2] | last }}|{{ [] | first }}|{{ 'abc' | reverse }}|{{ [1, 2] | reverse | list }}|{{ 'abc' | list }}|{{ {'b': 1, 'a': 2} | dictsort }}|{{ {'a': 1} | items | list }}|{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(1, blank=true) }}
{{ '3' | int }}|{{ 'x' | int }}|{{ '3.9' | int }}|{{ 3.9 | int }}|{{ '1.5' | float }}|{{ 'x' | float(2.0) }}|{{ -3 | abs }}|{{ (-3) | abs }}|{{ 2.567 | round(2) }}|{{ 2.5 | round }}|{{ 2.1 | round(method='ceil') }}|{{ 42 | string + '!' }}|{{ x | default('d') }}|{{ '' | default('d') }}|{{ '' | default('d', true) }}|{{ none | d('z') }}|{{ '<&>' | e }}|{{ [1, 2] | length }}|{{ {'a': 1} | count }}|{{ 'a b c' | wordcount }}
{{ 'a,b,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a,b,c'.split(',', 1) }}|{{ 'a,b,c'.rsplit(',', 1) }}|{{ 'a b c'.rsplit(none, 1) }}|{{ 'a\nb\r\nc\n'.splitlines() }}|{{ 'abc'.startswith('ab') }}|{{ 'abc'.endswith(('x', 'c')) }}|{{ 'abc'.find('c') }}|{{ 'abc'.find('z') }}|{{ 'aXa'.count('a') }}|{{ '-'.join(['a', 'b']) }}|{{ 'a=b=c'.partition('=') }}|{{ 'a=b=c'.rpartition('=') }}|{{ 'abc'.removeprefix('a').removesuffix('c') }}|{{ '12'.isdigit() }}|{{ 'ab'.isalpha() }}|{{ ' '.isspace() }}|{{ 'AB'.isupper() }}
{{ {'a': 1}.get('a') }}|{{ {'a': 1}.get('b') }}|{{ {'a': 1}.get('b', 2) }}|{{ {'a': 1}.items() | list }}|{{ {'a': 1}.keys() | list }}|{{ {'a': 1}.values() | list }}|{{ {'items': 1}['items'] }}|{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}|{{ [1, 2].index(2) }}|{{ [1, 1].count(1) }}
{% set ns = namespace(found=false, n=0) %}{% for m in messages %}{% set ns.found = true %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.found }}{{ ns.n }}|{{ ns.zzz }}
{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}|{% if true %}{% set x = 9 %}{% endif %}{{ x }}|{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}|{% for i in [] %}x{% else %}empty{% endfor %}|{% for i in range(6) if i is odd %}{{ loop.index }}:{{ i }} {% endfor %}|{% for i in nosuch %}x{% endfor %}
{% for i in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('x', 'y') }}{{ loop.depth }};{% endfor %}
{% for i in [1, [2, [3]]] recursive %}{{ loop(i) if i is iterable else i }},{{ loop.depth0 }};{% endfor %}|{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }}{% endfor %}|{% for i in [1,1,2] %}{{ loop.changed(i) }}{% endfor %}
{% macro f(x, y='d') %}[{{ x }}{{ y }}]{% endmacro %}{{ f('q') }}{{ f('q', y=3) }}{{ f() }}|{% macro g(n) %}{{ n }}{% if n > 0 %}{{ g(n - 1) }}{% endif %}{% endmacro %}{{ g(3) }}
{% set b %} block {{ 1 + 1 }}{% endset %}[{{ b }}]|{% set c | upper | trim %} abc {% endset %}[{{ c }}]|{% filter upper %}abc{{ 'd' }}{% endfilter %}|{% with q = 3, r = q %}{{ q }}{{ r }}{% endwith %}{{ q }}|{% raw %}{{ x }}{% endraw %}
{{ range(3) | list }}|{{ range(5, 1, -2) | list }}|{{ dict(a=1, b=2) }}|{{ '%s is %d %%' % ('a', 3) }}|{{ '%s' % 'x' }}|{{ (1, 2) }}|{{ () }}|{{ 1, 2 }}|{{ (1) }}
{{ - 3 + 5 }}|{{ -3 | abs }}|{{ 2 + 3 * 4 ** 2 }}|{{ 10 - 2 - 3 }}|{{ 2 ** 3 ** 2 }}|{{ 'a' + 'b' ~ 'c' }}|{{ +3 }}|{{ not false and false }}|{{ 7 // 2 * 2 }}
{{ '\x41\u00e9\t\\n\q' }}|{{ "\"" }}|{{ '\'' }}|{{ '\U0001F441' }}
{{ messages[0]['content'] | length }}|{{ messages.0.role }}|{{ {'a': {'b': 1}}.a.b }}|{{ {'a': 1}['a'] }}|{{{'a': 1}['a']}}|{{[1,2,][0]}}
{{ 'a' | default }}|{{ [['a', 1], ['b', 2]] | map('first') | list }}|{{ [{'a': {'b': 7}}] | map(attribute='a.b') | list }}|{{ [{'a': 1}, {}] | map(attribute='a', default='-') | list }}|{{ [{'n': 2}, {'n': 1}] | sort(attribute='n') | map(attribute='n') | list }}
{{ foo('x') }}
{{ x.y.z }}
{{ messages[0]['content'].nosuch() }}
{{ 'a' + 1 }}
{{ 1 / 0 }}
{{ 'x' < 1 }}
{{ none.x }}|{{ none['x'] }}
{{ [1].append(2) }}
{% for i in none %}{% endfor %}
{{ raise_exception('bad roles') }}
{{ 'a' | nosuchfilter }}
{{ x | tojson }}
{{ 1 + x }}
{{ x + 'a' }}
{{ 'a' is nosuchtest }}
{% include 'other' %}
{% for i in [1] %}
{{ 'unclosed }}
{% endfor %}
{{ 1 + }}
{{ ''.__class__ }}|
{{ ''.__class__.__mro__ }}
{% set messages[0] = 1 %}
{{ messages | length > 2 }}|{{ messages[0].content | trim | length == 1 }}|{{ (messages | length) - 1 }}|{{ messages | length - 1 }}
{{ [] is iterable and [] is not string }}|{{ 'b' not in 'abc' }}|{{ not ('b' in 'abc') }}|{{ 1 is not none }}
""".strip("\n").split("\n")

BLOCKS = [
    "a\n", "a\n\n", "\n\na", "  {# c #}\nX\n", "  {% if true %}\n  b\n  {% endif %}\nc\n", "{%- if true %}\n b\n{%- endif %}  c",
    "a {% if true %} b {% endif %} c", "x\n  {%+ if true %}y{% endif %}\n z", "x\n\t {%- if true -%} \n y \n {%- endif -%} \n z",
    "{% if true +%}\n a\n{% endif %}", "  {{ 1 }}\n  {{- 2 }}\n  {{ 3 -}}\n  4", "a\r\nb\rc\r\n", "{% raw %}\n {% x %} {%- endraw %}  b",
    "  {%- raw -%} a {%- endraw -%} b", "{#- c -#}  a  {#+ d +#}\nb", "{% set a = 1 %}\n{% set b = 2 %}\n{{ a }}{{ b }}\n\n",
    "{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\nend", "{{ 'x' }}\n\n{% if true %}\n\n{% endif %}\n", "{ { } } {a} %} }} #}", "{{ '}}' }}{{ '%}' }}",
    "a\u3000{%- if true %}b{% endif %}", "\u00a0{% if true %}b{% endif %}", "{{-1}}|{{- 1}}|{{+1}}", "{% if 1 %}{% elif 2 %}b{% else %}c{% endif %}d",
]


def render(template, messages, prompt=False, **more):
    try:
        rendered, _ = render_jinja_template([messages], chat_template=template, add_generation_prompt=prompt, **more)
        return {"text": rendered[0]}
    except Exception as e:
        return {"error": str(e)}


def main():
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    chats = []
    for name, template in TEMPLATES.items():
        for i, chat in enumerate(CHATS):
            for prompt in (False, True):
                more = {"enable_thinking": False} if i % 2 else {}
                tools = [TOOL] if i == 6 else None
                out = render(template, chat, prompt, tools=tools, **tokens, **more)
                chats.append({"template": name, "chat": i, "prompt": prompt, "more": more, "tools": tools, **out})
    pieces = [{"template": t, **render(t, CHATS[3], **tokens)} for t in CONSTRUCTS + BLOCKS]
    result = {"templates": TEMPLATES, "conversations": CHATS, "tokens": tokens, "chats": chats, "pieces": pieces}
    with open("chat.json", "w", encoding="utf-8") as out:
        json.dump(result, out, ensure_ascii=True, indent=0)
        out.write("\n")
    for piece in pieces:
        if "error" in piece:
            print(piece)


if __name__ == "__main__":
    main()
