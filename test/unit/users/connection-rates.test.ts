import { once } from 'node:events'
import { connect } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { ConnectionRates } from '../../../src/users/connection-rates.js'
import { CloseCode, DEFAULT_USER_LIMITS, type UserLimits } from '../../../src/users/index.js'
import { createCertificate, hasOpenssl, RawUser, startServer, type TestServer, until } from './helpers.js'

const running: TestServer[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ server }) => server.stop()))
})

async function start(overrides: Parameters<typeof startServer>[0]): Promise<TestServer> {
  const started = await startServer({ host: '0.0.0.0', ...overrides })
  running.push(started)
  return started
}

const limits: UserLimits = {
  ...DEFAULT_USER_LIMITS,
  connections: 100,
  connectionsPerAddress: 20,
  connectionsPerSecond: 10,
  addressConnectionsPerSecond: 2
}

function arrivals(rates: ConnectionRates, address: string, count: number): Record<string, number> {
  const counts: Record<string, number> = { in: 0, told: 0, dropped: 0 }
  for (let index = 0; index < count; index++) {
    const arrival = rates.arrive(address)
    counts[arrival] = (counts[arrival] ?? 0) + 1
  }
  return counts
}

describe('the rate of new connections', () => {
  it('lets as many in at once as may be connected, then so many a second', () => {
    let nowMs = 0
    const rates = new ConnectionRates(limits, () => nowMs)
    expect(arrivals(rates, 'a', 50)).toEqual({ in: 20, told: 8, dropped: 22 })
    nowMs += 5000
    expect(arrivals(rates, 'a', 50)).toEqual({ in: 10, told: 5, dropped: 35 })
    // What it had too many has taken nothing from the others.
    for (const address of ['b', 'c', 'd']) expect(arrivals(rates, address, 20).in).toBe(20)
    nowMs += 3_600_000
    expect(arrivals(rates, 'a', 50).in).toBe(20)
  })

  it('holds for all addresses together, words included', () => {
    let nowMs = 0
    const rates = new ConnectionRates(limits, () => nowMs)
    const totals = { in: 0, told: 0 }
    for (let address = 0; address < 1000; address++) {
      const { in: entered = 0, told = 0 } = arrivals(rates, `10.0.${address >> 8}.${address & 255}`, 2)
      totals.in += entered
      totals.told += told
    }
    expect(totals).toEqual({ in: 100, told: 200 })
    nowMs += 1000
    expect(arrivals(rates, 'new', 20).in).toBe(10)
  })

  it('is remembered of so many addresses as that memory stays bounded', () => {
    const rates = new ConnectionRates({ ...limits, connectionsPerSecond: 1e6, connections: 1e6 }, () => 0)
    expect(arrivals(rates, 'first', 20).in).toBe(20)
    for (let address = 0; address < 65_535; address++) rates.arrive(`${address}`)
    expect(arrivals(rates, 'first', 1).in).toBe(0)
    for (let address = 0; address < 65_536; address++) rates.arrive(`${address}`)
    expect(arrivals(rates, 'first', 1).in).toBe(1)
  })
})

describe('a user port', () => {
  const few = { connectionsPerAddress: 3, addressConnectionsPerSecond: 3 }

  it('tells who comes too often why, drops them then, and serves the others', async () => {
    let nowMs = 1_000_000
    const warnings: string[] = []
    const log = pino({ level: 'warn' }, { write: (line) => void warnings.push(JSON.parse(line).msg) })
    const { url, server } = await start({ limits: few, now: () => nowMs, log })
    const from = (localAddress: string) => ({ localAddress })
    for (let round = 0; round < 3; round++) await (await RawUser.join(url, undefined, from('127.0.0.2'))).leave()
    const told = new RawUser(url, undefined, from('127.0.0.2'))
    expect(await told.closed).toEqual({
      code: CloseCode.tooManyNew,
      reason: 'too many new connections in a short time: try again in some seconds'
    })
    const codes = await Promise.all(
      Array.from({ length: 20 }, async () => (await new RawUser(url, undefined, from('127.0.0.2')).closed).code)
    )
    expect(codes.filter((code) => code === CloseCode.tooManyNew).length).toBe(7)
    expect(codes.filter((code) => code === 1006).length).toBe(13)
    expect(server.status().connectionsRefused).toBe(21)
    const other = await RawUser.join(url, undefined, from('127.0.0.3'))
    await until(() => server.users().length === 1)
    nowMs += 1000
    const again = await RawUser.join(url, undefined, from('127.0.0.2'))
    await until(() => server.users().length === 2)
    expect(warnings).toEqual(['New connections of users come faster than pubmaxconnrate or pubmaxaddrconnrate.'])
    await Promise.all([other.leave(), again.leave()])
  })

  it('counts sockets that say nothing', async () => {
    const { server, url } = await start({ limits: few, now: () => 0 })
    const port = server.address()?.port as number
    for (let index = 0; index < 3; index++) {
      const socket = connect({ port, host: '127.0.0.1' })
      await once(socket, 'connect')
      socket.destroy()
    }
    const user = new RawUser(url)
    expect((await user.closed).code).toBe(CloseCode.tooManyNew)
  })

  it.skipIf(!hasOpenssl)('says so over TLS as well (needs the program openssl)', async () => {
    const tls = createCertificate()
    const { url } = await start({ limits: few, now: () => 0, tls })
    const options = { ca: tls.cert }
    for (let round = 0; round < 3; round++) await (await RawUser.join(url, undefined, options)).leave()
    expect((await new RawUser(url, undefined, options).closed).code).toBe(CloseCode.tooManyNew)
  })
})
