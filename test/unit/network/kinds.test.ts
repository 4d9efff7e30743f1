import { networkInterfaces } from 'node:os'
import { describe, expect, it } from 'vitest'
import { createKeyPair } from '../../../src/crypto/index.js'
import { createWebRtc } from '../../../src/network/extras.js'
import { NetworkError } from '../../../src/network/index.js'
import { startNode, waitReady } from './helpers.js'

const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'))

describe('addresses of each kind', { timeout: 60_000 }, () => {
  it.each([
    ['a name with WebSocket', 'dns4/localhost', '/ws'],
    ['a name with TCP', 'dns/localhost', '']
  ])('%s is dialled', async (_name, host, suffix) => {
    const node = await startNode(createKeyPair(), { listen: suffix === '' ? { wsPort: null, tcpPort: 0 } : {} })
    const port = (node.network.addresses()[0] as string).split('/')[4]
    const other = await startNode(createKeyPair(), { peers: [`/${host}/tcp/${port}${suffix}`] })
    await waitReady(other.network, [node.network.publicKey])
    expect(other.network.peer(node.network.publicKey)).toMatchObject({
      connected: true,
      transport: suffix === '' ? 'tcp' : 'ws'
    })
  })

  it.skipIf(!hasIpv6)('IPv6 is listened on and dialled', async () => {
    const node = await startNode(createKeyPair(), { listen: { host: '::1' } })
    expect(node.address).toMatch(/^\/ip6\/::1\/tcp\/\d+\/ws\/p2p\//)
    const other = await startNode(createKeyPair(), { peers: [node.address], listen: { host: '::1' } })
    await waitReady(other.network, [node.network.publicKey])
    expect(other.network.peer(node.network.publicKey).address).toBe(node.address)
  })
})

describe('WebRTC', () => {
  it('that is not installed is refused with what to do', async () => {
    const error = await createWebRtc(['stun.example.org:3478']).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(NetworkError)
    expect(error).toMatchObject({ code: 'not-installed' })
    expect((error as Error).message).toContain('npm install @libp2p/webrtc')
    await expect(startNode(createKeyPair(), { webrtc: true })).rejects.toMatchObject({ code: 'not-installed' })
  })
})
