import { createSocket } from 'node:dgram'
import { describe, expect, it, onTestFinished } from 'vitest'
import { isPublicIp } from '../../../src/network/ip.js'
import { NatPmp } from '../../../src/network/nat-pmp.js'
import { PortMapper } from '../../../src/network/port-mapping.js'
import { createLog, until } from './helpers.js'

/** A router that speaks NAT-PMP on loopback; `answer` gets each request. */
async function startRouter(answer: (request: Buffer, count: number) => Buffer[]) {
  const socket = createSocket('udp4')
  const requests: Buffer[] = []
  socket.on('message', (request, { port, address }) => {
    requests.push(request)
    for (const message of answer(request, requests.length)) socket.send(message, port, address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  onTestFinished(() => void socket.close())
  return { port: socket.address().port, requests }
}

function answerFrom(ip: number[], outside: (port: number) => number): (request: Buffer) => Buffer[] {
  return (request) => {
    if (request[1] === 0) return [Buffer.from([0, 128, 0, 0, 0, 0, 0, 1, ...ip])]
    const answer = Buffer.alloc(16)
    answer[1] = 130
    request.copy(answer, 8, 4, 6)
    answer.writeUInt16BE(outside(request.readUInt16BE(4)), 10)
    request.copy(answer, 12, 8, 12)
    return [answer]
  }
}

describe('port mapping', { timeout: 30_000 }, () => {
  it('has the router forward each port, tells the addresses outside, and takes all back at the end', async () => {
    const router = await startRouter(answerFrom([203, 0, 113, 7], (port) => port + 1000))
    let changes = 0
    const mapper = new PortMapper({
      log: createLog().log,
      description: 'test',
      host: '127.0.0.1',
      ports: () => [
        { port: 22860, suffix: '/ws' },
        { port: 22861, suffix: '' }
      ],
      onChange: () => changes++,
      pmp: { gateway: '127.0.0.1', port: router.port }
    })
    mapper.check()
    mapper.check()
    await until('the mappings', () => mapper.mappings.length === 2)
    expect(changes).toBe(1)
    expect(mapper.error).toBeNull()
    expect(mapper.addresses()).toEqual(['/ip4/203.0.113.7/tcp/23860/ws', '/ip4/203.0.113.7/tcp/23861'])
    expect(mapper.mappings[0]).toEqual({
      protocol: 'nat-pmp',
      externalHost: '203.0.113.7',
      externalPort: 23860,
      internalPort: 22860
    })
    await mapper.stop()
    await mapper.stop()
    const back = router.requests.slice(-2)
    expect(back.map((request) => [request.readUInt16BE(4), request.readUInt32BE(8)])).toEqual([
      [22860, 0],
      [22861, 0]
    ])
  })

  it('asks anew when something speaks for it, and tells the new address outside', async () => {
    let ip = [203, 0, 113, 7]
    const router = await startRouter((request) => answerFrom(ip, (port) => port)(request))
    let changes = 0
    const mapper = new PortMapper({
      log: createLog().log,
      description: 'test',
      host: '127.0.0.1',
      ports: () => [{ port: 22860, suffix: '' }],
      onChange: () => changes++,
      pmp: { gateway: '127.0.0.1', port: router.port }
    })
    mapper.check()
    await until('the mapping', () => mapper.mappings.length === 1)
    ip = [203, 0, 113, 8]
    const asked = router.requests.length
    mapper.check()
    mapper.renewSoon()
    await until('the new address', () => {
      mapper.check()
      return mapper.addresses()[0] === '/ip4/203.0.113.8/tcp/22860'
    })
    expect(changes).toBe(2)
    // One for the address outside, one for the port.
    expect(router.requests.length - asked).toBe(2)
    await mapper.stop()
  })

  it('announces nothing of a router that is itself behind a NAT', async () => {
    const router = await startRouter(answerFrom([100, 64, 3, 4], (port) => port))
    const mapper = new PortMapper({
      log: createLog().log,
      description: 'test',
      host: '127.0.0.1',
      ports: () => [{ port: 1234, suffix: '' }],
      onChange: () => {},
      pmp: { gateway: '127.0.0.1', port: router.port }
    })
    mapper.check()
    await until('the mapping', () => mapper.mappings.length === 1)
    expect(mapper.addresses()).toEqual([])
    await mapper.stop()
  })

  it('asks again when a datagram is lost, and passes over garbage', async () => {
    const good = answerFrom([203, 0, 113, 7], (port) => port)
    const router = await startRouter((request, count) => {
      if (count < 3)
        return [Buffer.alloc(0), Buffer.from([0]), Buffer.from([0, 128, 0, 0, 1]), Buffer.alloc(2000, 0xff)]
      return good(request)
    })
    const pmp = new NatPmp('127.0.0.1', router.port)
    expect(await pmp.externalIp(new AbortController().signal)).toBe('203.0.113.7')
  })

  it('says why the router does not, and gives up on silence', async () => {
    const refusing = await startRouter((request) => [Buffer.from([0, 128 + (request[1] as number), 0, 2])])
    const signal = new AbortController().signal
    await expect(new NatPmp('127.0.0.1', refusing.port).map(1234, 60, signal)).rejects.toThrow('the router refuses')
    const silent = await startRouter(() => [])
    const aborted = new NatPmp('127.0.0.1', silent.port).map(1234, 60, AbortSignal.timeout(300))
    await expect(aborted).rejects.toThrow(/timeout/i)
  })
})

describe('an address', () => {
  it.each([
    ['8.8.8.8', true],
    ['203.0.113.7', true],
    ['2001:db8::1', true],
    ['10.1.2.3', false],
    ['100.64.0.1', false],
    ['127.0.0.1', false],
    ['169.254.1.1', false],
    ['172.31.0.1', false],
    ['192.168.1.1', false],
    ['239.255.255.250', false],
    ['::1', false],
    ['fd00::1', false],
    ['fe80::1', false],
    ['nonsense', false]
  ])('%s is public: %s', (address, isPublic) => {
    expect(isPublicIp(address)).toBe(isPublic)
  })
})
