// What the set-up tells the user. Everything goes to stderr: stdout belongs to the command that the set-up precedes.

const started = Date.now();

export function say(message) {
  process.stderr.write(`setup: ${message}\n`);
}

/** Seconds since the set-up began, for its closing line. */
export function elapsedSeconds() {
  return ((Date.now() - started) / 1000).toFixed(1);
}

/** A failure whose message is all that the user needs: what was expected, what was found, the way out. No stack. */
export class SetupError extends Error {
  name = "SetupError";
}

export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

/**
 * Progress of something long: one line that is rewritten on a terminal; in a log, a line every tenth of the way.
 * @param {string} what
 * @param {number | undefined} total in bytes; undefined when the server does not say
 */
export function progress(what, total) {
  let shown = -1;
  return {
    update(done) {
      const steps = process.stderr.isTTY ? 200 : 10;
      const step = total === undefined ? Math.floor(done / 20e6) : Math.floor((done / total) * steps);
      if (step === shown) return;
      shown = step;
      const text =
        total === undefined
          ? `${what}: ${megabytes(done)}`
          : `${what}: ${megabytes(done)} of ${megabytes(total)} (${Math.floor((done / total) * 100)} %)`;
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Ksetup: ${text}`);
      else say(text);
    },
    end() {
      if (process.stderr.isTTY && shown >= 0) process.stderr.write("\n");
    },
  };
}
