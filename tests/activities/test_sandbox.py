"""Attacks on the sandbox: what hostile code tries, and what it must not get."""

import json
from collections.abc import AsyncIterator

import pytest

from activities.code import CodeActivities
from activities.sandbox import Sandbox
from tests.support.running_code import code_failure, code_run


@pytest.fixture(scope="module")
async def code() -> AsyncIterator[CodeActivities]:
    async with Sandbox(max_processes=4) as sandbox:
        yield CodeActivities(sandbox, max_memory_bytes=64 * 1024 * 1024, max_output_bytes=100_000)


# Each of these is an expression whose value would be worth something to an attacker.
WAYS_OUT = [
    "().__class__.__base__.__subclasses__()",
    "().__class__.__mro__[-1].__subclasses__()",
    "[].__class__.__bases__[0]",
    "(lambda: 0).__globals__",
    "(lambda: 0).__code__.replace(co_consts=())",
    "(lambda: 0).__closure__",
    "print.__self__",
    "getattr(print, '__self__').open",
    "getattr(getattr((), '__class__'), '__base__')",
    "'{0.__class__.__base__}'.format(())",
    "'{0.__init__.__globals__}'.format(ValueError())",
    "f'{().__class__.__base__.__subclasses__()}'",
    "'%(x.__class__)s' % {'x': 1} or 1 / 0",
    "str.format('{0.__class__.__mro__[1]}', 1)",
    "''.format_map({}).__class__.__mro__",
    "type(type)(type.__name__, (type,), {})",
    "object.__subclasses__()",
    "(i for i in ()).gi_frame.f_back.f_globals",
    "[c for c in object.__subclasses__() if 'Popen' in c.__name__]",
    "__builtins__['open']('/etc/passwd').read()",
    "__builtins__.open('/etc/passwd').read()",
    "__loader__.load_module('os')",
    "__spec__.loader",
    "vars()['__builtins__']",
    "globals()['__builtins__'].__import__('os')",
    "__import__('os').system('id')",
    "__import__('posix').fork()",
    "eval('__import__(\"os\").getpid()')",
    "compile('import os', 'x', 'exec')",
    "open('/etc/passwd').read()",
    "open('/proc/self/environ').read()",
    "open('/proc/self/mem', 'rb').read(1)",
    "open('/proc/1/cmdline').read()",
    "open('/dev/stdout', 'w').write('x')",
    "open(0).read()",
    "open(1, 'wb').write(b'\\xff\\xff\\xff\\x7f')",
    "breakpoint()",
    "input()",
    "help()",
    "exit()",
    "memoryview(b'abc').obj.__class__.__mro__",
]

IMPORTS = [
    "os.system('id')",
    "os.fork()",
    "os.kill(1, 9)",
    "os.environ.copy()",
    "os.environ['PATH']",
    "os.getenv('PATH') + ''",
    "os.putenv('A', 'b')",
    "os.popen('id').read()",
    "os.execv('/bin/sh', ['sh'])",
    "os.open('/etc/passwd', 0)",
    "os.listdir('/')",
    "os.scandir('/')",
    "os.unlink('/etc/passwd')",
    "os.mkdir('/tmp/escaped') or 1",
    "os.getpid()",
    "os.write(1, b'x')",
    "os.dup2(0, 1)",
    "sys.modules['os']",
    "sys._getframe()",
    "sys.settrace(None)",
    "sys.stdout.buffer.write(b'\\x00\\x00\\x00\\x02{}')",
    "sys.__stdout__.write('x') / 0",
    "sys.exit(0)",
    "subprocess.run(['id'])",
    "socket.socket()",
    "socket.create_connection(('127.0.0.1', 80))",
    "asyncio.open_connection('127.0.0.1', 80)",
    "asyncio.create_subprocess_exec('id')",
    "urllib.request.urlopen('http://127.0.0.1')",
    "http.client.HTTPConnection('127.0.0.1')",
    "ctypes.CDLL(None).getpid()",
    "cffi.FFI()",
    "mmap.mmap(-1, 1)",
    "multiprocessing.Process()",
    "threading.Thread()",
    "signal.signal(14, None)",
    "resource.setrlimit(7, (9, 9))",
    "pickle.loads(b\"cos\\nsystem\\n(S'id'\\ntR.\")",
    "marshal.loads(b'')",
    "importlib.import_module('os')",
    "builtins.open('/etc/passwd')",
    "inspect.stack()",
    "gc.get_objects()",
    "types.CodeType",
    "code.interact()",
    "pathlib.Path('/etc/passwd').read_text()",
    "pathlib.Path('/').iterdir().__next__()",
    "shutil.rmtree('/tmp')",
    "tempfile.mkdtemp()",
    "io.open('/etc/passwd')",
    "io.FileIO(0)",
    "sqlite3.connect('x')",
    "pydantic_monty.Monty()",
    "activities.code",
    "runtime.settings.load_settings()",
]


@pytest.mark.parametrize("way", WAYS_OUT)
async def test_no_expression_leads_out(code: CodeActivities, way: str) -> None:
    error = await code_failure(code, f"result = str({way})")

    assert error.type != "SandboxCrashed"
    assert "root:" not in error.message


@pytest.mark.parametrize("use", IMPORTS)
async def test_no_module_leads_out(code: CodeActivities, use: str) -> None:
    module = use.partition(".")[0]
    dotted = "urllib.request" if module == "urllib" else module
    dotted = "http.client" if module == "http" else dotted

    error = await code_failure(code, f"import {dotted}\nresult = str({use})")

    assert error.type != "SandboxCrashed"


BOMBS = {
    "a huge power": "x = 10 ** 10 ** 10",
    "a huge shift": "x = 1 << (1 << 40)",
    "a tower of powers": "x = 9\nfor _ in range(9): x = x ** x",
    "a long number as text": "x = str(7 ** 4000000)",
    "text to a number": "x = int('9' * 5000000)",
    "repeated text": "x = 'ab' * (1 << 45)",
    "doubled text": "x = 'ab'\nwhile True: x += x",
    "replaced text": "x = ('a' * 100000).replace('a', 'b' * 1000000)",
    "joined text": "x = ('a' * 100000).join(['b'] * 1000000)",
    "padded text": "x = '{:>99999999999}'.format(1)",
    "padded by percent": "x = '%99999999999d' % 1",
    "centred text": "x = 'a'.center(1 << 45)",
    "a list of lists": "x = [[0] * 1000000 for _ in range(1000000)]",
    "nested comprehensions": "x = [0 for a in range(9999) for b in range(9999) for c in range(9)]",
    "a list of a range": "x = list(range(10 ** 12))",
    "a sum of a range": "x = sum(range(10 ** 15))",
    "a sorted range": "x = sorted(range(10 ** 10))",
    "a growing dictionary": "x = {}\nwhile True: x[len(x)] = 'abc' * 9",
    "a growing set": "x = set()\nwhile True: x.add(len(x))",
    "bytes": "x = b'a' * (1 << 45)",
    "a catastrophic pattern": (
        "import re\nx = re.match('(a*)*(b|c)*(a*)*$', 'a' * 5000 + 'd')\nwhile True: pass"
    ),
    "a repeated pattern": "import re\nx = re.compile('(((a{999}){999}){999}){999}')",
    "endless sleep": "import time\nwhile True: time.sleep(0.001)",
    "a busy generator": "x = max(n for n in iter(int, 1))",
    "endless exceptions": "while True:\n    try: 1 / 0\n    except ZeroDivisionError: pass",
    "swallowed limits": "while True:\n    try:\n        while True: pass\n    except: pass",
    "a finally that goes on": "try:\n    while True: pass\nfinally:\n    while True: pass",
    "json of a bomb": "import json\nx = json.loads('[' * 1000000)",
    "a nest as a result": "result = []\nfor _ in range(10 ** 6): result = [result]",
    "a cycle as a result": "result = []\nresult.append(result)",
    "a cycle in a dictionary": "result = {}\nresult['x'] = result",
    "recursion": "def f(n): return f(n + 1)\nf(0)",
    "mutual recursion": "def f(n): return g(n)\ndef g(n): return f(n)\nf(0)",
    "recursive repr": "x = []\nfor _ in range(10 ** 5): x = [x]\nresult = repr(x) * 9999999",
    "deep parentheses": "x = " + "(" * 50_000 + "1" + ")" * 50_000,
    "deep brackets": "x = " + "[" * 50_000,
    "a long chain": "x = " + "1+" * 100_000 + "y",
    "a long attribute chain": "x = y" + ".a" * 100_000,
    "deep functions": "".join(f"{' ' * n}def f{n}():\n" for n in range(200)),
    "nested evaluation": "x = '1'\nfor _ in range(99): x = f'eval({x!r})'\nresult = eval(x) + y",
}

LIMITS = {
    "MemoryError",
    "OverflowError",
    "TimeoutError",
    "RecursionError",
    "SyntaxError",
    "InvalidResult",
    "ValueError",
    "JSONDecodeError",
    "PatternError",
    "NameError",
    "IndentationError",
}


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_fails_its_task_in_time_and_nothing_else(
    code: CodeActivities, name: str
) -> None:
    error = await code_failure(code, BOMBS[name], seconds=1)

    assert error.type in LIMITS, error.message
    assert len(error.message) < 5_000
    assert len(error.traceback or "") < 10_000
    assert await code_run(code, "result = 'still here'") == "still here"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("raise ValueError('x' * 20_000_000)", "ValueError"),
        ("raise KeyError('\\ud800' + 'x' * 5_000_000)", "KeyError"),
        ("assert False, 'x' * 20_000_000", "AssertionError"),
        ("{}['y' * 20_000_000]", "KeyError"),
        ("int('z' * 4_000_000)", "ValueError"),
        ("raise SystemExit('out')", "SystemExit"),
        ("raise KeyboardInterrupt()", "KeyboardInterrupt"),
        ("raise GeneratorExit()", "GeneratorExit"),
        ("raise BaseException('x')", "BaseException"),
        ("raise MemoryError('x')", "MemoryError"),
        ("raise StopIteration()", "StopIteration"),
    ],
)
async def test_whatever_is_raised_is_cut_to_size(
    code: CodeActivities, source: str, kind: str
) -> None:
    error = await code_failure(code, source)

    assert error.type in {kind, "NotImplementedError", "NameError"}
    assert len(error.message) < 5_000
    assert len(error.traceback or "") < 10_000
    json.dumps(error.message).encode()


@pytest.mark.parametrize(
    "source",
    [
        "len = str = print = dict = None\nimport json as _json\nresult = 'fine'",
        "_json = None\n_text = 'theirs'\nresult = 'fine'",
        "result = 'fine'\nNone",
        "result = 'fine'\n'x' * 50_000_000",
        "result = 'fine'  # no line end",
        "if True:\n    result = 'fine'",
        "result = \\\n  'fine'",
    ],
)
async def test_names_and_layout_of_the_code_are_its_own_business(
    code: CodeActivities, source: str
) -> None:
    assert await code_run(code, source) == "fine"


@pytest.mark.parametrize(
    "source",
    [
        "result = 'x' * 9_000_000",
        "result = ['x' * 1000] * 5_000",
        "result = {str(n): n for n in range(100_000)}",
        "result = '\\u20ac' * 99_000",
    ],
)
async def test_a_huge_result_stays_in_the_sandbox(code: CodeActivities, source: str) -> None:
    error = await code_failure(code, source)

    assert (error.type, error.retryable) == ("ResultTooLarge", False)


@pytest.mark.parametrize(
    "hostile",
    [
        '{}\n{"x": 1}',
        "\x00\x00\x00\x02{}",
        '{"fault": {"type": "WorkerLost", "message": "no"}}',
        "\x04\x00\x00\x00" * 100,
        "cposix\nsystem\n(S'id'\ntR.",
    ],
)
async def test_answers_are_never_taken_for_the_protocol(code: CodeActivities, hostile: str) -> None:
    source = f"print({hostile!r})\nresult = {hostile!r}"

    assert await code_run(code, source) == hostile
    assert await code_run(code, "result = input_data['secret']") == "of this task"
