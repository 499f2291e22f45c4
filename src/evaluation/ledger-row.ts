/** Whose gradients made the images: nobody's (clean), the evaluated model's, or another model's. */
export type Access = "none" | "white" | "black";

/** What the ledger keeps of one sample under one attack. Every figure of every report derives from these rows. */
export interface LedgerRow {
  /** Index in the data set. */
  readonly sample: number;
  readonly label: number;
  /** "clean", or the attack's id in the run's configuration. */
  readonly attack: string;
  readonly access: Access;
  /** Class that the target gives the final image; the first one where several tie. */
  readonly prediction: number;
  /** Classes before the label: top-k correct if below k. */
  readonly rank: number;
  /** The label's logit minus the largest other one. */
  readonly margin: number;
  /** Cross-entropy of the target at the final image, in nats. */
  readonly loss: number;
  /** Largest change of a pixel. */
  readonly linf: number;
  /** Whether several classes share the largest logit. */
  readonly tie: boolean;
  /** At how many steps of the attack the gradient was exactly zero at every pixel. */
  readonly zeroGradient: number;
  /** [layer][time step]: spikes of the target at the final image; absent if it does not count any. */
  readonly spikes?: readonly (readonly number[])[];
  /**
   * For each of the target's connections but the image's: the output positions that its inputs reach at the final image, over all time
   * steps; behind a pool also the same by the spikes in front of it. Times the output's channels: synaptic operations. Absent if the
   * target does not count them.
   */
  readonly reached?: readonly (readonly number[])[];
}
