import type { Tensor } from "../tensor/tensor";

/** How many images a computation took through its classifiers. */
export interface Passes {
  /** Images of which a forward pass alone was made. */
  readonly forward: number;
  /** Images of which an input gradient was made: a forward pass and the way back. */
  readonly gradient: number;
}

/** Counts {@link Passes} as they are made. */
export class PassCount implements Passes {
  forward = 0;
  gradient = 0;

  countForward(images: Tensor): void {
    this.forward += images.shape[0] ?? 0;
  }

  countGradient(images: Tensor): void {
    this.gradient += images.shape[0] ?? 0;
  }
}
