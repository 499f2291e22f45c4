import { HireSnnError } from "../errors";

/** A spiking layer as its health is watched. */
export interface WatchedLayer {
  readonly name: string;
  /** Place among the counted layers. */
  readonly counted: number;
}

/** Mini-batches over which a layer may be silent. */
const patience = 50;
/** How many times the threshold that it began with a threshold may become. */
const mostGrowth = 100;

/** Stops a training that has broken down, with the layer's name and what helps. */
export class Watch {
  private readonly silentFor: number[];
  private first: ArrayLike<number> | undefined;

  constructor(private readonly layers: readonly WatchedLayer[]) {
    this.silentFor = layers.map(() => 0);
  }

  /**
   * @param spikes of one mini-batch, per counted layer
   * @param thresholds after it, per watched layer; none of an ANN
   * @throws HireSnnError TRAINING_FAILED
   */
  check(spikes: ArrayLike<number>, thresholds: ArrayLike<number>): void {
    this.first ??= Float64Array.from(thresholds);
    for (const [index, { name, counted }] of this.layers.entries()) {
      const silent = (spikes[counted] as number) === 0 ? (this.silentFor[index] as number) + 1 : 0;
      this.silentFor[index] = silent;
      if (silent >= patience) {
        throw failed(
          `Expected spikes in ${name} but it was silent in ${silent} mini-batches in a row: no gradient passes it; begin with ` +
            "thresholds found on training images and a smaller scale (calibration.scale), or with a smaller learning rate",
        );
      }
      const threshold = thresholds[index];
      const begun = this.first[index];
      if (threshold === undefined || begun === undefined) continue;
      if (!(threshold > 0)) {
        throw failed(
          `Expected a threshold above 0 in ${name} but it has fallen to ${threshold}: train with a smaller learning rate, or with ` +
            "fixed thresholds (trainThresholds: false)",
        );
      }
      if (threshold > begun * mostGrowth) {
        throw failed(
          `Expected a threshold near ${begun.toPrecision(3)}, as at the beginning, in ${name} but it has grown to ` +
            `${threshold.toPrecision(3)}: train with a smaller learning rate, or with fixed thresholds (trainThresholds: false)`,
        );
      }
    }
  }
}

function failed(message: string): HireSnnError {
  return new HireSnnError("TRAINING_FAILED", message);
}
