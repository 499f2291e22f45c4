const changed = new Map<string, string | undefined>();

/** Sets (undefined: removes) an environment variable until the end of the running test. */
export function setEnvironment(name: string, value: string | undefined): void {
  if (!changed.has(name)) changed.set(name, process.env[name]);
  assign(name, value);
}

afterEach(() => {
  for (const [name, value] of changed) assign(name, value);
  changed.clear();
});

function assign(name: string, value: string | undefined): void {
  // Assigning undefined would set the text "undefined".
  if (value === undefined) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}
