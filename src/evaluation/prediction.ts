/** What the logits of one sample say about its label. */
export interface Prediction {
  /** The class of the largest logit; the first of them where several are equal. */
  readonly prediction: number;
  /**
   * How many classes stand before the label: those with a larger logit, and those with an equal logit and a smaller index. The
   * sample is top-k correct if this is below k.
   */
  readonly rank: number;
  /** The label's logit minus the largest of the others: above 0 where the label wins alone. */
  readonly margin: number;
  /** Whether several classes share the largest logit: all of them do if no spike reaches the output. */
  readonly tie: boolean;
}

/**
 * @param logits of one sample, at least two, finite
 * @param label a class index
 */
export function predict(logits: ArrayLike<number>, label: number): Prediction {
  const own = logits[label] as number;
  let prediction = 0;
  let atTop = 0;
  let rank = 0;
  let largestOther = -Infinity;
  for (let j = 0; j < logits.length; j++) {
    const logit = logits[j] as number;
    const largest = logits[prediction] as number;
    if (logit > largest) {
      prediction = j;
      atTop = 1;
    } else if (logit === largest) {
      atTop++;
    }
    if (j === label) continue;
    if (logit > own || (logit === own && j < label)) rank++;
    largestOther = Math.max(largestOther, logit);
  }
  return { prediction, rank, margin: own - largestOther, tie: atTop > 1 };
}
