import { HireSnnError } from "../errors";
import { addon } from "./addon";
import type { NativeCancellation } from "./contract";

/**
 * Runs native work that an AbortSignal can stop: the signal becomes a flag that the work reads between layers, and the
 * promise is rejected with the signal's reason, as everywhere in Node.
 */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  work: (cancellation: NativeCancellation | undefined) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return work(undefined);
  signal.throwIfAborted();
  const cancellation = new (addon().Cancellation)();
  const request = (): void => {
    cancellation.request();
  };
  signal.addEventListener("abort", request, { once: true });
  try {
    return await work(cancellation);
  } catch (error) {
    if (error instanceof HireSnnError && error.code === "ABORTED") signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", request);
  }
}
