import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the server does with one request for a file. */
export type Answer = (response: ServerResponse, content: Buffer, request: IncomingMessage) => void;

/** Sends the file, or the part of it that is asked for. */
export const honestly: Answer = (response, content, request) => {
  const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
  if (from === undefined) {
    response.writeHead(200, { "content-length": content.length }).end(content);
    return;
  }
  const start = Number(from);
  const range = `bytes ${start}-${content.length - 1}/${content.length}`;
  response
    .writeHead(206, { "content-length": content.length - start, "content-range": range })
    .end(content.subarray(start));
};

/** Sends so many bytes of what it announces, and cuts the connection. */
export function cutAfter(bytes: number): Answer {
  return (response, content, request) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = `bytes ${start}-${content.length - 1}/${content.length}`;
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": content.length - start,
      ...(start > 0 && { "content-range": range }),
    });
    response.write(content.subarray(start, start + bytes), () => {
      // A client may drop what it has not read yet when the connection breaks.
      setTimeout(() => response.destroy(), 200);
    });
  };
}

/** A local HTTP server that answers as a test has it: the first requests by the script, the others honestly. */
export class ScriptedServer {
  /** "GET /file from 500" */
  readonly requests: string[] = [];
  readonly files = new Map<string, Buffer>();
  script: Answer[] = [];
  private server!: Server;

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
      this.requests.push(`${request.url}${from === undefined ? "" : ` from ${from}`}`);
      const content = this.files.get((request.url ?? "").replace(/^\//, ""));
      const answer = this.script.shift();
      if (!content) response.writeHead(404).end("no such file");
      else (answer ?? honestly)(response, content, request);
    });
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  reset(): void {
    this.requests.length = 0;
    this.files.clear();
    this.script = [];
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
