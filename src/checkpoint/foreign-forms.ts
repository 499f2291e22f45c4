/**
 * Files that are often taken for a checkpoint. Naming what a file is saves its owner the search; none of these is read.
 * The sentences continue "FILE is ...".
 */
interface Signature {
  readonly offset: number;
  readonly bytes: string;
  readonly what: string;
}

const signatures: readonly Signature[] = [
  {
    offset: 0,
    bytes: "sys_info\0",
    what: "a checkpoint in the tar form of PyTorch 0.1, which is not read. Load and save it again with a later PyTorch.",
  },
  {
    offset: 257,
    bytes: "ustar",
    what: "a tar archive, no checkpoint. Unpack it first.",
  },
  { offset: 0, bytes: "\x1f\x8b", what: "compressed with gzip. Unpack it first." },
  { offset: 0, bytes: "BZh", what: "compressed with bzip2. Unpack it first." },
  { offset: 0, bytes: "\xfd7zXZ\0", what: "compressed with xz. Unpack it first." },
  { offset: 0, bytes: "\x93NUMPY", what: "an array in numpy's .npy form, no checkpoint." },
  {
    offset: 0,
    bytes: "\x89HDF\r\n\x1a\n",
    what: "an HDF5 file (Keras weights, for instance), no PyTorch checkpoint.",
  },
  { offset: 0, bytes: "GGUF", what: "a GGUF file, no PyTorch checkpoint." },
  {
    offset: 0,
    bytes: "version https://git-lfs",
    what: 'a pointer of Git LFS in place of the file itself. Run "git lfs pull" in its repository.',
  },
];

/** @param head the first 512 bytes of the file, or as many as it has */
export function foreignFile(head: Uint8Array): string | undefined {
  const text = Buffer.from(head).toString("latin1");
  if (text.length === 0) return "empty.";
  for (const { offset, bytes, what } of signatures) {
    if (text.startsWith(bytes, offset)) return what;
  }
  if (/^\s*<(!doctype html|html|\?xml)/i.test(text)) {
    return "a web page: the download gave an error or confirmation page instead of the file.";
  }
  if (/^\s*[{[]\s*["{[\]}]/.test(text)) return "a JSON file, no checkpoint.";
  return undefined;
}

/** @param names of all entries of a zip archive */
export function isTorchScriptArchive(names: readonly string[]): boolean {
  return names.some((name) => /^[^/]+\/(constants\.pkl$|code\/|model\.json$)/.test(name));
}

/** @param names of all entries of a zip archive */
export function foreignArchive(names: readonly string[]): string | undefined {
  const has = (pattern: RegExp): boolean => names.some((name) => pattern.test(name));
  if (isTorchScriptArchive(names)) {
    return (
      "a TorchScript archive (torch.jit.save): a program with its weights, no checkpoint with named tensors alone. " +
      "hire-snn evaluate and loadTorchScript run it."
    );
  }
  if (
    has(/(^|\/)serialized_exported_program\.json$/) ||
    has(/^[^/]+\/archive_format$/) ||
    has(/^[^/]+\/models\/[^/]+\.json$/)
  ) {
    return "an ExportedProgram (torch.export.save): a program with its weights, no checkpoint with named tensors alone.";
  }
  if (names.length > 0 && names.every((name) => name.endsWith(".npy"))) {
    return "a numpy archive (.npz), no checkpoint.";
  }
  return undefined;
}
