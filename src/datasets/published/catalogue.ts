/** The sets that are published for download, by what they consist of. */

/** "md5:" or "sha256:" and the digest in hex. */
export type PublishedHash = `${"md5" | "sha256"}:${string}`;

export interface PublishedFile {
  /** Below the form's folder. */
  readonly name: string;
  readonly bytes: number;
  readonly hash: PublishedHash;
}

/** One way in which a set lies in a folder. */
export interface PublishedForm {
  /** Below the data folder, with "/": where `data fetch` puts it. */
  readonly folder: string;
  /** Where else it is looked for. */
  readonly otherFolders?: readonly string[];
  readonly files: readonly PublishedFile[];
}

export interface PublishedArchive {
  readonly name: string;
  readonly bytes: number;
  readonly hash: PublishedHash;
  /** A `.tar.gz` holds the form's folder; a `.gz` is one file of it, whose name is the archive's without the ending. */
  readonly packing: "tar.gz" | "gz";
}

export interface PublishedSet {
  readonly name: string;
  /** Where the archives are, unless a mirror is named. */
  readonly url: string;
  readonly archives: readonly PublishedArchive[];
  /** What the archives unpack to. */
  readonly fetched: PublishedForm;
  /** Other forms, which only `data verify` looks at. */
  readonly others: readonly PublishedForm[];
}

/** Every {@link PublishedName}. */
export const publishedNames = ["cifar10", "cifar100", "mnist"] as const;
/** A set that {@link fetchDataset} can fetch. */
export type PublishedName = (typeof publishedNames)[number];

const krizhevsky = "https://www.cs.toronto.edu/~kriz/";

/**
 * URLs and MD5 are those of torchvision, which fetches the same archives. The SHA-256 are those of the authors' files: they have the
 * published MD5, or came out of an archive that had.
 */
export const publishedSets: Readonly<Record<PublishedName, PublishedSet>> = {
  cifar10: {
    name: "cifar10",
    url: krizhevsky,
    archives: [
      {
        name: "cifar-10-python.tar.gz",
        bytes: 170_498_071,
        hash: "md5:c58f30108f718f92721af3b95e74349a",
        packing: "tar.gz",
      },
    ],
    fetched: {
      folder: "cifar-10-batches-py",
      files: [
        { name: "data_batch_1", bytes: 31_035_704, hash: "md5:c99cafc152244af753f735de768cd75f" },
        { name: "data_batch_2", bytes: 31_035_320, hash: "md5:d4bba439e000b95fd0a9bffe97cbabec" },
        { name: "data_batch_3", bytes: 31_035_999, hash: "md5:54ebc095f3ab1f0389bbae665268c751" },
        { name: "data_batch_4", bytes: 31_035_696, hash: "md5:634d18415352ddfa80567beed471001a" },
        { name: "data_batch_5", bytes: 31_035_623, hash: "md5:482c414d41f54cd18b22e5b47cb7c3cb" },
        { name: "test_batch", bytes: 31_035_526, hash: "md5:40351d587109b95175f43aff81a1287e" },
        { name: "batches.meta", bytes: 158, hash: "md5:5ff9c542aee3614f3951f8cda6e48888" },
      ],
    },
    others: [
      {
        folder: "cifar-10-batches-bin",
        files: [
          ["data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"],
          ["data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"],
          ["data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"],
          ["data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"],
          ["data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"],
          ["test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"],
        ].map(([name, sha256]) => ({ name: name as string, bytes: 30_730_000, hash: `sha256:${sha256}` })),
      },
    ],
  },
  cifar100: {
    name: "cifar100",
    url: krizhevsky,
    archives: [
      {
        name: "cifar-100-python.tar.gz",
        bytes: 169_001_437,
        hash: "md5:eb9058c3a382ffc7106e4002c42a8d85",
        packing: "tar.gz",
      },
    ],
    fetched: {
      folder: "cifar-100-python",
      files: [
        { name: "train", bytes: 155_249_918, hash: "md5:16019d7e3df5f24257cddd939b257f8d" },
        { name: "test", bytes: 31_049_707, hash: "md5:f0ef6b0ae62326f3e7ffdfab6717acfc" },
        { name: "meta", bytes: 1_473, hash: "md5:7973b15100ade9c7d40fb424638fde48" },
      ],
    },
    others: [
      {
        folder: "cifar-100-binary",
        files: [
          {
            name: "train.bin",
            bytes: 153_700_000,
            hash: "sha256:f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
          },
          {
            name: "test.bin",
            bytes: 30_740_000,
            hash: "sha256:d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
          },
        ],
      },
    ],
  },
  mnist: {
    name: "mnist",
    url: "https://ossci-datasets.s3.amazonaws.com/mnist/",
    archives: [
      {
        name: "train-images-idx3-ubyte.gz",
        bytes: 9_912_422,
        hash: "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
        packing: "gz",
      },
      {
        name: "train-labels-idx1-ubyte.gz",
        bytes: 28_881,
        hash: "md5:d53e105ee54ea40749a09fcbcd1e9432",
        packing: "gz",
      },
      {
        name: "t10k-images-idx3-ubyte.gz",
        bytes: 1_648_877,
        hash: "md5:9fb629c4189551a2d022fa330f9573f3",
        packing: "gz",
      },
      {
        name: "t10k-labels-idx1-ubyte.gz",
        bytes: 4_542,
        hash: "md5:ec29112dd5afa0611ce80d1b7f02629c",
        packing: "gz",
      },
    ],
    fetched: {
      folder: "MNIST/raw",
      otherFolders: ["mnist", "."],
      files: [
        {
          name: "train-images-idx3-ubyte",
          bytes: 47_040_016,
          hash: "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        },
        {
          name: "train-labels-idx1-ubyte",
          bytes: 60_008,
          hash: "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        },
        {
          name: "t10k-images-idx3-ubyte",
          bytes: 7_840_016,
          hash: "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        },
        {
          name: "t10k-labels-idx1-ubyte",
          bytes: 10_008,
          hash: "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
      ],
    },
    others: [],
  },
};
