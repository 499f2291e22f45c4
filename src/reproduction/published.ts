import type { TrainingMethod } from "../training/options";
import type { ColumnId } from "./columns";

/** Where a figure of the paper is known from. */
export type FigureMark = "figure 1" | "recalled";

/** What has to be said of figures with a mark. */
export const markNotes: Readonly<Record<FigureMark, string>> = {
  "figure 1": "read off the bars of the paper's figure 1",
  recalled:
    "recalled second-hand from later papers, which do not say which access; it is taken for white box here",
};

/** Accuracies of the paper, as far as they are known; in per cent as it has them. */
export type PublishedFigures = Partial<
  Record<TrainingMethod, Partial<Record<ColumnId, { readonly percent: number; readonly mark: FigureMark }>>>
>;

function marked(
  mark: FigureMark,
  figures: Partial<Record<ColumnId, number>>,
): NonNullable<PublishedFigures[TrainingMethod]> {
  return Object.fromEntries(Object.entries(figures).map(([column, percent]) => [column, { percent, mark }]));
}

/** VGG5, CIFAR-10. */
export const publishedVgg5: PublishedFigures = {
  hire: marked("recalled", { clean: 87.5, "fgsm-white": 38, "pgd-white": 9.1 }),
};

/** VGG11, CIFAR-100; the traditional network at T = 8. */
export const publishedVgg11: PublishedFigures = {
  ann: marked("figure 1", { "fgsm-white": 16.9, "pgd-white": 8.2, "fgsm-black": 23.6, "pgd-black": 15.3 }),
  traditional: marked("figure 1", {
    ...{ "fgsm-white": 16.3, "pgd-white": 2.8 },
    ...{ "fgsm-black": 19, "pgd-black": 6.2 },
  }),
  hire: marked("recalled", { clean: 65.1, "fgsm-white": 22, "pgd-white": 7.5 }),
};
