// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { around, Finder, marked, words, type Entry } from "../src/shell/find";

const entry = (kind: string, title: string, heading: string, text: string, href: string): Entry => ({ stem: href.split("/")[1] ?? "", kind, title, heading, text, href });

const finder = new Finder([
  entry("topic", "LeNet", "Images", "lenet LeCun et al. 1998 lenet lenet-sgd", "topics/lenet"),
  entry("topic", "ResNet", "Images", "planned. resnet He et al. 2015", "topics/resnet"),
  entry("topic", "Self-attention", "Attention to language models", "self-attention Vaswani 2017 recall", "topics/self-attention"),
  entry("section", "LeNet", "One small window, used at every place", "A kernel is shared: a convolution slides over the picture.", "topics/lenet#window"),
  entry("section", "Self-attention", "Why √d?", "Divide by the root, or the softmax saturates. A résumé of scores.", "topics/self-attention#why"),
  entry("code", "Self-attention", "CausalMask", "What no token may see. src/learnable/nn/attention.py d_model", "topics/self-attention"),
  entry("card", "LeNet", "Why does a convolution need few weights?", "They are shared.", "topics/lenet#cards"),
]);

const best = (question: string): string => finder.find(question)[0]?.href ?? "";

describe("search", () => {
  it.each([
    ["lenet", "topics/lenet"],
    ["leent", "topics/lenet"], // two letters changed places
    ["atention", "topics/self-attention"],
    ["self att", "topics/self-attention"],
    ["kernl", "topics/lenet#window"],
    ["softmx", "topics/self-attention#why"],
    ["resume", "topics/self-attention#why"],
    ["mask", "topics/self-attention"],
    ["LENET", "topics/lenet"],
  ])("finds %s at %s", (question, href) => expect(best(question)).toBe(href));

  it("puts what can be read before what is planned", () => {
    expect(finder.find("images").map((hit) => hit.href)).toEqual(["topics/lenet", "topics/resnet"]);
  });

  it("wants all words, and takes some where no entry has all", () => {
    expect(best("kernel shared")).toBe("topics/lenet#window");
    expect(finder.find("kernel zebra").map((hit) => hit.href)).toContain("topics/lenet#window");
  });

  it("answers nothing to nothing", () => {
    expect(finder.find("   ")).toEqual([]);
    expect(finder.find("zzzzqqq")).toEqual([]);
    expect(finder.find("([*\\")).toEqual([]);
  });

  it("knows the parts of a name", () => {
    expect(words("CausalMask")).toEqual(["causalmask", "causal", "mask"]);
    expect(words("d_model")).toEqual(["d_model", "model"]);
  });

  it("shows the words around what was found, and marks it without making HTML of it", () => {
    const text = `${"far away words ".repeat(20)}<b>softmax</b> saturates here`;
    const cut = around(text, ["softmax"]);
    expect(cut).toContain("softmax");
    expect(cut.startsWith("… ")).toBe(true);
    const box = document.createElement("div");
    box.append(...marked(cut, ["softmax"]));
    expect(box.querySelector("b")).toBeNull();
    expect([...box.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["softmax"]);
  });
});
