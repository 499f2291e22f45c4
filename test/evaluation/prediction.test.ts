import { predict } from "../../src/evaluation/prediction";

describe("predict", () => {
  test("without ties", () => {
    expect(predict([0.5, 3, -1, 2], 3)).toEqual({ prediction: 1, rank: 1, margin: -1, tie: false });
    expect(predict([0.5, 3, -1, 2], 1)).toEqual({ prediction: 1, rank: 0, margin: 1, tie: false });
    expect(predict([0.5, 3, -1, 2], 2)).toEqual({ prediction: 1, rank: 3, margin: -4, tie: false });
  });

  test("among equal logits the smaller index stands first", () => {
    expect(predict([1, 2, 2, 0], 1)).toEqual({ prediction: 1, rank: 0, margin: 0, tie: true });
    expect(predict([1, 2, 2, 0], 2)).toEqual({ prediction: 1, rank: 1, margin: 0, tie: true });
  });

  test("silence: all logits are equal", () => {
    const silent = new Float32Array(10);
    expect(Array.from(silent, (_, label) => predict(silent, label).rank)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    expect(predict(silent, 0)).toEqual({ prediction: 0, rank: 0, margin: 0, tie: true });
    // Top-5: as many as five classes can be right
    expect(Array.from(silent, (_, label) => predict(silent, label).rank < 5).filter(Boolean)).toHaveLength(5);
  });

  test("a tie below the top is none at the top", () => {
    expect(predict([3, 1, 1], 2)).toEqual({ prediction: 0, rank: 2, margin: -2, tie: false });
  });

  test("-0 equals 0", () => {
    expect(predict([0, -0], 1)).toMatchObject({ prediction: 0, rank: 1, tie: true });
  });
});
