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
  /**
   * False where a logit of the target or its loss was not finite, or a gradient that the attack had to follow. Such a sample is
   * neither correct nor a success of the attack.
   */
  readonly valid: boolean;
  /** Class that the target gives the final image; the first one where several tie; -1 if not valid. */
  readonly prediction: number;
  /** Classes before the label: top-k correct if below k; the number of classes if not valid. */
  readonly rank: number;
  /** The label's logit minus the largest other one; null if not valid. */
  readonly margin: number | null;
  /** Cross-entropy of the target at the final image, in nats; null if not valid. */
  readonly loss: number | null;
  /** Largest change of a pixel. */
  readonly linf: number;
  /** Euclidean norm of the change over all pixels and channels, in pixel units. */
  readonly l2: number;
  /** Whether several classes share the largest logit. */
  readonly tie: boolean;
  /** At how many steps of the attack the gradient was exactly zero at every pixel. */
  readonly zeroGradient: number;
  /**
   * After how many gradient steps the model that gives the gradients first gave the iterate another class than the label: 0 stands
   * for the start point. In white box the final image counts as well, as step number `steps`. In black box it does not: the source is
   * not asked of it, and whether it fools the target is `prediction`. null: never, or the attack does not say; in rows of clean images
   * and in rows that are not valid.
   */
  readonly firstSuccess: number | null;
  /** [layer][time step]: spikes of the target at the final image; absent if it does not count any. */
  readonly spikes?: readonly (readonly number[])[];
  /**
   * For each of the target's connections but the image's: the output positions that its inputs reach at the final image, over all time
   * steps; behind a pool also the same by the spikes in front of it. Times the output's channels: synaptic operations. Absent if the
   * target does not count them.
   */
  readonly reached?: readonly (readonly number[])[];
}
