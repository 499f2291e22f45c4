/** What a {@link tensorScope} may return: a tensor. */
export interface Disposable {
  /** Frees what it holds; a second call does nothing. */
  dispose(): void;
}

const scopes: Disposable[][] = [];

/** Notes a new tensor for the innermost scope, if there is one. For the package's own use. */
export function registerInScope(tensor: Disposable): void {
  scopes.at(-1)?.push(tensor);
}

/**
 * Runs a synchronous expression and disposes every tensor that it made but the one that it returns. What it returns belongs
 * to the scope around it, if there is one.
 *
 * It cannot span an `await`: other code that runs meanwhile would have its tensors disposed. The type keeps promises out.
 *
 * @example
 * const adversarial = tensorScope(() => images.add(gradient.sign().multiply(epsilon)).clamp(0, 1));
 */
export function tensorScope<T extends Disposable>(expression: () => T): T {
  const made: Disposable[] = [];
  scopes.push(made);
  let result: T | undefined;
  try {
    result = expression();
    return result;
  } finally {
    scopes.pop();
    for (const tensor of made) {
      if (tensor !== result) tensor.dispose();
    }
    if (result !== undefined && made.includes(result)) registerInScope(result);
  }
}
