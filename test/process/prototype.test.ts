import { createPrivateKey, sign } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createKeyPair } from '../../src/crypto/index.js'
import { Cluster, makeTempDir, onCleanup } from '../helpers/cluster.js'
import { NodeProcess } from '../helpers/node-process.js'
import { findFreePort, HOST } from '../helpers/ports.js'
import { waitUntil } from '../helpers/wait.js'

const sample = JSON.parse(
  await readFile(new URL('../fixtures/prototype/handshake.json', import.meta.url), 'utf8')
) as Record<string, string>
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

interface Message {
  bytes: Buffer
  isText: boolean
}

/** The prototype's client: nothing of ours, only a WebSocket and ed25519. */
async function connectRaw(url: string): Promise<{ socket: WebSocket; messages: Message[] }> {
  const socket = new WebSocket(url)
  const messages: Message[] = []
  socket.on('message', (data, isBinary) => messages.push({ bytes: data as Buffer, isText: !isBinary }))
  onCleanup(async () => socket.terminate())
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return { socket, messages }
}

function nthMessage(messages: Message[], index: number): Promise<Message> {
  return waitUntil(`message ${index}`, () => messages[index])
}

/** Answers the challenge in the words and the key order of the prototype's client. */
async function shakeHands(socket: WebSocket, messages: Message[]): Promise<void> {
  const { bytes, isText } = await nthMessage(messages, 0)
  const { challenge } = JSON.parse(bytes.toString()) as { challenge: string }
  expect(isText).toBe(true)
  expect(bytes.toString()).toBe(sample.challengeMessage?.replace(sample.challenge as string, challenge))
  expect(challenge).toMatch(/^[0-9a-f]{64}$/)
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.from(sample.seed as string, 'hex')])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const sig = sign(null, Buffer.from(challenge), key).toString('hex')
  const helo = (sample.heloMessage as string)
    .replace(sample.sig as string, sig)
    .replace(sample.challenge as string, challenge)
  expect(JSON.parse(helo)).toMatchObject({ type: 'helo', challenge, sig, pubkey: sample.pubkey })
  socket.send(helo)
}

describe('the prototype', () => {
  it('its client shakes hands, and its inputs and outputs are raw', async () => {
    const cluster = await Cluster.start({ nodes: 1, contract: 'echo', config: { roundtime: 500 } })
    const { socket, messages } = await connectRaw(cluster.node(0).userUrl)
    await shakeHands(socket, messages)
    socket.send(sample.input as string)
    expect(await nthMessage(messages, 1)).toEqual({ bytes: Buffer.from('HELLO\n'), isText: true })
    const binary = Buffer.from([0, 255, 254, 97, 10, 128])
    socket.send(binary)
    expect(await nthMessage(messages, 2)).toEqual({ bytes: Buffer.from([0, 255, 254, 65, 10, 128]), isText: false })
    socket.send('again')
    expect(await nthMessage(messages, 3)).toEqual({ bytes: Buffer.from('AGAIN'), isText: true })
    expect(messages).toHaveLength(4)
  })

  it('its contract directory starts as it is', async () => {
    const dir = join(await makeTempDir(), 'contract')
    for (const name of ['bin', 'cfg', 'hist', 'state']) await mkdir(join(dir, name), { recursive: true })
    const keys = createKeyPair()
    const [peerport, pubport] = [await findFreePort(), await findFreePort()]
    const config = {
      ...JSON.parse(await readFile(new URL('../../cfg/prototype.cfg', import.meta.url), 'utf8')),
      pubkey: keys.publicKey,
      seckey: Buffer.from(keys.secretKey).toString('hex'),
      binary: process.execPath,
      peers: [],
      unl: [keys.publicKey],
      ip: HOST,
      peerport: String(peerport),
      pubport: String(pubport)
    }
    await writeFile(join(dir, 'cfg', 'hp.cfg'), JSON.stringify(config), { mode: 0o600 })
    await writeFile(
      join(dir, 'bin', 'contract.js'),
      `const fs = require('fs')
       const hp = JSON.parse(fs.readFileSync(0, 'utf8'))
       for (const [key, [input, output]] of Object.entries(hp.user)) {
         const text = fs.readFileSync(input, 'utf8')
         if (text !== '') fs.writeSync(output, [hp.hotpocket, hp.type, hp.pubkey === hp.unl[0], key, text].join(' '))
       }`
    )
    const node = new NodeProcess(dir, keys.publicKey, `ws://${HOST}:${pubport}`, { pubport, peerport, tcpport: 0 })
    onCleanup(async () => void (await node.stop()))
    await node.start()
    await node.waitFor('a ledger', ({ seq }) => seq >= 1)
    const { socket, messages } = await connectRaw(node.userUrl)
    await shakeHands(socket, messages)
    socket.send('a line\n')
    const { bytes } = await nthMessage(messages, 1)
    expect(bytes.toString()).toBe(`0.1 binexec true ${sample.pubkey} a line\n`)
  })
})
