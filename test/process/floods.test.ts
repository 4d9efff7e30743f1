import { describe, expect, it } from 'vitest'
import { encodeGenesis } from '../../src/codec/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { askForGenesis, HostilePeer } from '../helpers/hostile-peer.js'
import { residentBytes } from '../helpers/hostile-user.js'
import { readKeys } from '../helpers/malicious-peer.js'
import { peerAttacks } from '../helpers/peer-attacks.js'
import { HOST } from '../helpers/ports.js'

const MIB = 1024 * 1024
/** What the limits on connections, streams and answers under way let one node hold beyond its memory at rest. */
const MEMORY_BYTES = 500 * MIB
/** Each attack goes on until an honest user has had so many answers, and a new peer was let in. */
const ANSWERS = 2
const CONNECTIONS = 300
/** One of each kind: `npm run bench attack` has them all, with figures. */
const CHOSEN = [
  'TCP alone on the peer port',
  'noise begun',
  'TCP alone on the WebSocket',
  'connect, hello, leave',
  'ledgers: valid requests as fast as they go (observer)',
  'large answers that nobody reads',
  'one byte a second (strangers)',
  'a gigabyte',
  'filled and left (strangers)',
  'votes of no member',
  'signed party line'
]

describe('floods on the peer port', () => {
  it('stop neither ledgers nor answers nor newcomers, and memory stays bounded', async () => {
    const cluster = await Cluster.start({ contract: 'echo', config: { roundtime: 300 } })
    await cluster.node(3).stop()
    const memberKeys = await readKeys(cluster.node(3))
    const target = cluster.node(0)
    const { tcpport } = target.ports
    const address = `/ip4/${HOST}/tcp/${tcpport}`
    const genesis = await askForGenesis(address)
    const users = [await cluster.connect(0), await cluster.connect(1)]
    const rest = residentBytes(target.pid)
    let most = rest
    const timer = setInterval(() => {
      most = Math.max(most, residentBytes(target.pid))
    }, 50)
    onCleanup(async () => clearInterval(timer))

    const attacks = peerAttacks(CONNECTIONS).filter(({ name }) => CHOSEN.some((words) => name.includes(words)))
    expect(attacks).toHaveLength(CHOSEN.length)
    for (const { name, start } of attacks) {
      const run = await start({ host: HOST, ...target.ports, genesis: encodeGenesis(genesis), memberKeys })
      await cluster.waitUntil(`the begin of: ${name}`, () => run.count() > 0)
      for (let asked = 0; asked < ANSWERS; asked++) {
        const answers = await Promise.all(users.map((user) => user.ask(`${asked}\n`)))
        expect(answers, name).toEqual([`${asked}\n`, `${asked}\n`])
      }
      await cluster.waitUntil(`a newcomer during: ${name}`, async () => {
        const newcomer = await HostilePeer.dial(address, { genesis }).catch(() => null)
        await newcomer?.end()
        return newcomer !== null
      })
      await run.stop()
      console.log(`${name}: ${run.count()} done, resident at most ${Math.round(most / MIB)} MiB so far`)
    }

    clearInterval(timer)
    expect(most - rest).toBeLessThan(MEMORY_BYTES)
    for (const node of cluster.nodes.slice(0, 3)) expect(node.log().filter(({ level }) => level >= 50)).toEqual([])
    expect(users.flatMap(({ closes }) => closes)).toEqual([])
    await cluster.node(3).start()
    await cluster.waitUntil('all to be synced', async () =>
      (await cluster.statuses()).every(({ sync, quorum }) => sync === 'synced' && quorum.present === 4)
    )
    await cluster.stopAll()
    await checkOneChain(cluster.nodes)
  })
})
