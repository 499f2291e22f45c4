import type { CallOptions, Classifier, Device, InputGradient, SpikeCounts } from "../classifiers/classifier";
import type { Loss } from "../classifiers/loss";
import type { Tensor } from "../tensor/tensor";
import type { PassCount } from "./pass-count";

/** What a classifier said of a batch of images that no attack has changed. */
export interface CleanPass {
  readonly logits: Tensor;
  readonly spikes: SpikeCounts;
}

/**
 * A classifier whose gradient at one batch is computed once: by the first attack that starts at the images themselves. Others
 * that do receive copies, and the forward pass that it took stands for the clean one. A classifier that draws random numbers shares
 * nothing: an attack's draw is not the one that is judged.
 */
export class SharedFirstPass implements Classifier {
  readonly name: string;
  readonly classes: number;
  readonly inputShape: readonly [number, number, number];
  readonly device: Device;
  readonly randomised: boolean;
  #first: (InputGradient & { readonly loss: Loss }) | undefined;

  /**
   * @param images stays the caller's
   * @param passes is told of every pass that the classifier makes
   */
  constructor(
    private readonly classifier: Classifier,
    private readonly images: Tensor,
    private readonly passes?: PassCount,
  ) {
    this.name = classifier.name;
    this.classes = classifier.classes;
    this.inputShape = classifier.inputShape;
    this.device = classifier.device;
    this.randomised = classifier.randomised ?? false;
  }

  /** The clean pass, if an attack has caused one that counted its spikes. Its logits stay this object's. */
  get clean(): CleanPass | undefined {
    return this.#first?.spikes && { logits: this.#first.logits, spikes: this.#first.spikes };
  }

  logits(images: Tensor, options?: CallOptions): Promise<Tensor> {
    this.passes?.countForward(images);
    return this.classifier.logits(images, options);
  }

  async inputGradient(images: Tensor, loss: Loss, options?: CallOptions): Promise<InputGradient> {
    if (this.classifier.randomised) return await this.#compute(images, loss, options);
    const first = this.#first;
    if (images !== this.images || (first && !sameLoss(first.loss, loss))) {
      return await this.#compute(images, loss, options);
    }
    const kept = first ?? { ...(await this.#compute(images, loss, options)), loss };
    this.#first = kept;
    const copy = (tensor: Tensor): Tensor => tensor.rows(0, tensor.shape[0] as number);
    return {
      gradient: copy(kept.gradient),
      losses: copy(kept.losses),
      logits: copy(kept.logits),
      ...(kept.spikes && { spikes: kept.spikes }),
    };
  }

  async #compute(images: Tensor, loss: Loss, options?: CallOptions): Promise<InputGradient> {
    this.passes?.countGradient(images);
    return await this.classifier.inputGradient(images, loss, options);
  }

  /** Frees what it keeps, not the classifier. */
  [Symbol.dispose](): void {
    this.#first?.gradient.dispose();
    this.#first?.losses.dispose();
    this.#first?.logits.dispose();
    this.#first = undefined;
  }
}

function sameLoss(a: Loss, b: Loss): boolean {
  return [a.name, ...a.labels].join() === [b.name, ...b.labels].join();
}
