/**
 * NAT-PMP, RFC 6886: asks the router for its outside address and for a forwarded TCP port. Own code, since the port
 * mapper that we use for UPnP takes datagrams of any sender and breaks on short ones.
 */
import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { raceAbort } from './deadline.js'

export const NAT_PMP_PORT = 5351
const OP_EXTERNAL_IP = 0
const OP_MAP_TCP = 2
const ANSWER = 128
/** The first wait for an answer; doubled with each try (RFC 6886, 3.1). */
const FIRST_WAIT_MS = 250
const TRIES = 5
const ERRORS: Record<number, string> = {
  1: 'the router speaks another version',
  2: 'the router refuses',
  3: 'the router has no outside address',
  4: 'the router has no ports left',
  5: 'the router does not know the operation'
}

export interface PmpMapping {
  externalPort: number
  /** How long the router keeps it. */
  lifetimeS: number
}

export class NatPmp {
  readonly #gateway: string
  readonly #port: number

  constructor(gateway: string, port = NAT_PMP_PORT) {
    this.#gateway = gateway
    this.#port = port
  }

  async externalIp(signal: AbortSignal): Promise<string> {
    const answer = await this.#ask(Buffer.from([0, OP_EXTERNAL_IP]), 12, signal)
    return [...answer.subarray(8, 12)].join('.')
  }

  /** Asks for the same port outside; the router may give another one. A lifetime of 0 takes the mapping back. */
  async map(port: number, lifetimeS: number, signal: AbortSignal): Promise<PmpMapping> {
    const request = Buffer.alloc(12)
    request[1] = OP_MAP_TCP
    request.writeUInt16BE(port, 4)
    request.writeUInt16BE(lifetimeS === 0 ? 0 : port, 6)
    request.writeUInt32BE(lifetimeS, 8)
    const answer = await this.#ask(request, 16, signal)
    if (answer.readUInt16BE(8) !== port) throw new Error('the router answered for another port')
    return { externalPort: answer.readUInt16BE(10), lifetimeS: answer.readUInt32BE(12) }
  }

  /** One exchange on a socket of its own, which hears the router alone. */
  async #ask(request: Buffer, answerBytes: number, signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted()
    const socket = createSocket('udp4')
    let timer: NodeJS.Timeout | undefined
    try {
      const answered = new Promise<Buffer>((resolve, reject) => {
        socket.on('error', reject)
        socket.on('message', (message) => {
          if (message.byteLength < 4 || message[0] !== 0 || message[1] !== ANSWER + (request[1] as number)) return
          const code = message.readUInt16BE(2)
          if (code !== 0) reject(new Error(ERRORS[code] ?? `the router answers with the error ${code}`))
          else if (message.byteLength >= answerBytes) resolve(message)
        })
        const send = (attempt: number): void => {
          if (attempt === TRIES) {
            reject(new Error('the router does not answer'))
            return
          }
          socket.send(request)
          timer = setTimeout(() => send(attempt + 1), FIRST_WAIT_MS * 2 ** attempt)
        }
        socket.connect(this.#port, this.#gateway, () => send(0))
      })
      return await raceAbort(answered, signal)
    } finally {
      clearTimeout(timer)
      socket.close()
    }
  }
}

/** Of the Linux routing table; null elsewhere or without one. */
export async function readDefaultGateway(): Promise<string | null> {
  try {
    for (const line of (await readFile('/proc/net/route', 'utf8')).split('\n').slice(1)) {
      const [, destination, gateway] = line.split('\t')
      if (destination !== '00000000' || gateway === undefined || gateway === '00000000') continue
      return [6, 4, 2, 0].map((offset) => Number.parseInt(gateway.slice(offset, offset + 2), 16)).join('.')
    }
  } catch {
    // Not Linux.
  }
  return null
}
