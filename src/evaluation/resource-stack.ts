/**
 * What an object has opened and has to release: files, locks. Everything is released, the last opened first, also where the release
 * of something else fails. (Node 20 has no AsyncDisposableStack.)
 */
export class ResourceStack {
  private releases: (() => Promise<void> | void)[] = [];

  /** Takes something over: from here on the stack releases it. */
  defer(release: () => Promise<void> | void): void {
    this.releases.push(release);
  }

  /**
   * Opens what is to outlive the call: if the body fails, what it has opened so far is released.
   *
   * @returns what the body returns
   */
  async whileOpening<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      // What went wrong first is what has to be said.
      await this.release().catch(() => undefined);
      throw error;
    }
  }

  /** Works with what is released when the body has ended, in whatever way. */
  async during<T>(body: () => Promise<T>): Promise<T> {
    const result = await this.whileOpening(body);
    await this.release();
    return result;
  }

  /**
   * Releases everything, once.
   *
   * @throws what the first release that failed has thrown, when all have been tried
   */
  async release(): Promise<void> {
    const releases = this.releases.reverse();
    this.releases = [];
    const errors: unknown[] = [];
    for (const release of releases) {
      try {
        await release();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
