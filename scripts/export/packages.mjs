// The frameworks that scripts/export/frameworks.py exports from, as scripts/bench/environment.mjs installs packages.
import { packages as peers } from "../bench/environment.mjs";

export const frameworks = [
  ...peers.filter(({ name }) => name === "spikingjelly"),
  { name: "snntorch", version: "1.0.0", imports: [], trial: "import snntorch" },
  // Only its source is on PyPI, which is not built here: who has it installed can run frameworks.py by hand.
  { name: "norse", version: "1.1.0", imports: [], trial: "import norse.torch" },
];
