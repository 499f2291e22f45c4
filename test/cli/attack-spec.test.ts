import { parseAttack } from "../../src/cli/attack-spec";
import { describeAttack } from "../../src/evaluation/run-config";

test.each([
  ["fgsm:epsilon=8/255", undefined, { epsilon: 8 / 255 }],
  ["fgsm", 0.031, { epsilon: 0.031 }],
  ["fgsm:epsilon=0.1", 0.031, { epsilon: 0.1 }],
  ["pgd:steps=7,step-size=0.01", 0.031, { epsilon: 0.031, steps: 7, stepSize: 0.01, randomStart: true }],
  [
    "pgd: steps=20, step-size=2/255, random-start=false, epsilon=0",
    undefined,
    { epsilon: 0, steps: 20, stepSize: 2 / 255, randomStart: false },
  ],
])("parseAttack(%j, %j)", (text, epsilon, parameters) => {
  expect(parseAttack(text, epsilon)).toMatchObject({
    name: text.slice(0, text.startsWith("pgd") ? 3 : 4),
    threatModel: { norm: "Linf", epsilon: parameters.epsilon },
    parameters,
  });
});

test.each([
  ["pdg:steps=7", 'received "pdg"; did you mean pgd?'],
  ["pgd:stepsize=0.01,steps=7", 'received "stepsize"; did you mean step-size?'],
  ["pgd:eps=0.1", "did you mean epsilon?"],
  [
    "pgd:wings=2",
    'one of epsilon, steps, step-size, random-start for a key of the attack pgd but received "wings"',
  ],
  ["constructor", 'received "constructor"'],
  ["fgsm:toString=1", 'received "toString"'],
  ["fgsm", "Expected epsilon for the attack fgsm, as in fgsm:epsilon=8/255"],
  ["pgd:epsilon=0.1", "Expected steps and step-size for the attack pgd"],
  ["pgd:steps", "Expected steps=VALUE"],
  ["pgd:steps=7,steps=8", "steps once"],
  ["pgd:steps=0,step-size=1,epsilon=1", "an integer from 1 for steps of the attack pgd"],
  ["pgd:steps=7,step-size=0,epsilon=1", "above 0 for stepSize"],
  ["fgsm:epsilon=-1", "from 0 for epsilon"],
  ["fgsm:", 'received ""'],
])("parseAttack(%j) is refused: %s", (text, message) => {
  const refused = (): unknown => parseAttack(text);
  expect(refused).toThrow(message);
  expect(refused).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error);
});

test("an attack's description parses to the attack", () => {
  const attack = parseAttack("pgd:steps=7,step-size=0.01,epsilon=8/255");
  expect(parseAttack(describeAttack(attack)).parameters).toEqual(attack.parameters);
});
