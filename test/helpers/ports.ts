import { tryPort } from '../../src/config/index.js'

export const HOST = '127.0.0.1'

/** Below the range from which systems take ports for outgoing connections, so that a stopped node finds its own again. */
const FIRST = 11_000
const LAST = 19_900

const given = new Set<number>()

/** A port on the loopback that nobody listens on, each given once by this process. */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < 1000; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (given.has(port) || (await tryPort(HOST, port)) !== null) continue
    given.add(port)
    return port
  }
  throw new Error(`no free port from ${FIRST} to ${LAST}`)
}
