import { createServer, connect as openSocket, type Server, type Socket } from 'node:net'
import { findSocketOwner } from './socket-owner.js'

/** open: all passes; held: nothing passes and nothing is lost, as when TCP resends into a cut line; refused: every connection ends. */
export type LinkState = 'open' | 'held' | 'refused'

const HOST = '127.0.0.1'

interface Line {
  from: number
  to: number
  client: Socket
  /** Null until something may pass in both directions: a handshake needs both. */
  server: Socket | null
}

/**
 * The network between the nodes of one machine: each node is dialled through a proxy that finds out who dials, so that the
 * link from any node to any other can be cut, in one direction or both. Works for any user on Linux.
 */
export class LinkProxy {
  readonly #servers: Server[] = []
  readonly #lines = new Set<Line>()
  readonly #states = new Map<string, LinkState>()
  #closed = false

  /**
   * @param targets for each node the port it listens on
   * @param pidOf the process of a node, null while it does not run
   */
  private constructor(
    private readonly targets: number[],
    private readonly pidOf: (node: number) => number | null
  ) {}

  /** @param ports for each node the port that others dial it by */
  static async start(ports: number[], targets: number[], pidOf: (node: number) => number | null): Promise<LinkProxy> {
    const proxy = new LinkProxy(targets, pidOf)
    for (const [node, port] of ports.entries()) {
      const server = createServer(
        { allowHalfOpen: true, pauseOnConnect: true },
        (socket) => void proxy.#take(node, socket)
      )
      proxy.#servers.push(server)
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, HOST, () => resolve())
      })
    }
    return proxy
  }

  /** Of what `from` sends to `to`. */
  set(from: number, to: number, state: LinkState): void {
    this.#states.set(`${from} ${to}`, state)
    for (const line of [...this.#lines]) {
      if ((line.from === from && line.to === to) || (line.from === to && line.to === from)) this.#apply(line)
    }
  }

  openAll(): void {
    this.#states.clear()
    for (const line of [...this.#lines]) this.#apply(line)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const line of [...this.#lines]) this.#end(line)
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }

  #state(from: number, to: number): LinkState {
    return this.#states.get(`${from} ${to}`) ?? 'open'
  }

  async #take(to: number, client: Socket): Promise<void> {
    client.on('error', () => {})
    const pids = this.targets.map((_, node) => this.pidOf(node))
    const from = await findSocketOwner(client.remotePort ?? 0, pids).catch(() => null)
    if (from === null || this.#closed || client.destroyed) {
      client.destroy()
      return
    }
    const line: Line = { from, to, client, server: null }
    this.#lines.add(line)
    client.once('close', () => this.#apply(line))
    this.#apply(line)
  }

  #apply(line: Line): void {
    if (!this.#lines.has(line)) return
    const { from, to, client } = line
    const [there, back] = [this.#state(from, to), this.#state(to, from)]
    if (there === 'refused' || back === 'refused' || (client.closed && there === 'open')) {
      this.#end(line)
      return
    }
    if (line.server === null) {
      if (there === 'held' || back === 'held') return
      line.server = this.#connect(line)
    }
    // That an end is gone is news that travels as all else does.
    if (line.server.closed && back === 'open') {
      this.#end(line)
      return
    }
    pass(client, line.server, there)
    pass(line.server, client, back)
  }

  #connect(line: Line): Socket {
    const { client } = line
    const server = openSocket({ host: HOST, port: this.targets[line.to] as number, allowHalfOpen: true, noDelay: true })
    client.setNoDelay(true)
    server.on('error', () => {})
    server.once('close', () => this.#apply(line))
    forward(client, server, () => this.#state(line.from, line.to))
    forward(server, client, () => this.#state(line.to, line.from))
    return server
  }

  #end(line: Line): void {
    if (!this.#lines.delete(line)) return
    line.client.resetAndDestroy()
    line.server?.resetAndDestroy()
  }
}

function pass(from: Socket, to: Socket, state: LinkState): void {
  if (state !== 'open') from.pause()
  else if (from.readableEnded) to.end()
  else from.resume()
}

function forward(from: Socket, to: Socket, state: () => LinkState): void {
  from.on('data', (chunk) => {
    if (!to.destroyed && !to.write(chunk)) from.pause()
  })
  // Also of a socket that is paused, when nothing came before.
  from.on('end', () => {
    if (state() === 'open') to.end()
  })
  to.on('drain', () => pass(from, to, state()))
}
