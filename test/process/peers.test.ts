import { describe, expect, it } from 'vitest'
import type { DoctorReport, PeerRow, PingResult, StateView } from '../../src/admin/index.js'
import { adminRequest } from '../../src/admin/index.js'
import { runCli, runJson } from '../helpers/cli.js'
import { Cluster } from '../helpers/cluster.js'
import type { NodeProcess } from '../helpers/node-process.js'
import { HOST } from '../helpers/ports.js'

async function rowOf(node: NodeProcess, of: NodeProcess): Promise<PeerRow | undefined> {
  return (await node.peers()).find(({ publicKey }) => publicKey === of.publicKey)
}

const stateOf = ({ checks }: DoctorReport, name: string) => checks.find((check) => check.name === name)?.state

describe('looking after peers', () => {
  it('pings, bans over a restart, lets in again, connects to an address', async () => {
    const cluster = await Cluster.create({ nodes: 4, observers: 1, contract: 'counter', config: { roundtime: 1000 } })
    const validators = cluster.nodes.slice(0, 4)
    await Promise.all(validators.map((node) => node.start()))
    await cluster.waitUntilReady()
    const [node, other] = [cluster.node(0), cluster.node(1)]
    await cluster.waitUntil('the other node', async () => (await rowOf(node, other))?.connected)

    const pinged = await runJson<PingResult>(['ping', node.dir, other.publicKey.slice(0, 16), '--count', '2'])
    expect(pinged).toMatchObject({ publicKey: other.publicKey, error: null })
    for (const time of pinged.roundTripsMs) expect(time).toBeGreaterThan(0)
    const unknown = await runCli(['ping', node.dir, 'ab'.repeat(32)])
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not connected/) })
    expect(await runCli(['ping', node.dir, node.publicKey])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/that is this node itself/)
    })

    const { peerId } = (await rowOf(node, other)) as PeerRow
    await runJson(['peers', 'ban', node.dir, peerId, '--seconds', '3600', '--reason', 'too loud'])
    await cluster.waitUntil('the ban', async () => (await rowOf(node, other))?.connected === false)
    const banned = { connected: false, bannedUntilMs: expect.any(Number), banReason: 'too loud' }
    expect(await rowOf(node, other)).toMatchObject(banned)
    await node.kill()
    await node.start()
    await node.waitFor('the others', ({ quorum }) => quorum.present === 3)
    expect(await rowOf(node, other)).toMatchObject(banned)
    const report = await runJson<DoctorReport>(['doctor', node.dir])
    expect([stateOf(report, 'bans'), stateOf(report, 'validators')]).toEqual(['warning', 'warning'])

    expect(await runJson(['peers', 'unban', node.dir, other.publicKey])).toMatchObject({ wasBanned: true })
    await node.waitFor('all validators', ({ quorum }) => quorum.present === 4)
    expect(await runJson(['peers', 'unban', node.dir, other.publicKey])).toMatchObject({ wasBanned: false })

    // The observer is named in every hp.cfg, but a validator may dial it before its own turn comes.
    const observer = cluster.node(4)
    await observer.start()
    const address = `/ip4/${HOST}/tcp/${observer.ports.peerport}/ws`
    await observer.waitFor('an answer', () => true)
    expect(await runJson(['peers', 'connect', node.dir, address])).toEqual({ publicKey: observer.publicKey })
    const nobody = await runCli(['peers', 'connect', node.dir, `/ip4/${HOST}/tcp/1/ws`])
    expect(nobody).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^hp-p2p: cannot connect to \/ip4\/[^\n]+\n$/)
    })
    const nowhere = await runCli(['peers', 'connect', node.dir, 'somewhere'])
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/^hp-p2p: [^\n]+\n$/) })
  })

  it('the doctor looks at a node that runs, stands alone, and is stopped', async () => {
    const cluster = await Cluster.create({ nodes: 2, contract: 'counter', config: { roundtime: 1000 } })
    const node = cluster.node(0)
    await node.start()
    await node.waitFor('the lack of the other', ({ sync }) => sync === 'waiting-for-quorum')
    const alone = await runCli(['doctor', node.dir])
    expect(alone).toMatchObject({ code: 1, stderr: 'hp-p2p: 2 problems: node, quorum\n' })
    expect(alone.stdout).toMatch(
      /^problem {2}quorum +1 of 2 in touch, 2 close a ledger\n +-> start the missing validators$/m
    )

    await cluster.node(1).start()
    await cluster.waitUntilReady()
    const user = await cluster.connect(0)
    expect(await user.ask('add 3\n')).toBe('3\n')
    const well = await runJson<DoctorReport>(['doctor', node.dir])
    expect(well.running).toBe(true)
    for (const name of ['node', 'quorum', 'validators', 'bans', 'state', 'ledgers', 'journal', 'ports', 'secret key']) {
      expect([name, stateOf(well, name)]).toEqual([name, 'ok'])
    }
    for (const name of ['reachable', 'NAT', 'relays', 'clock', 'sandbox', 'open files', 'disk space', 'disk speed']) {
      expect(stateOf(well, name), name).not.toBeUndefined()
    }
    const state: StateView = await adminRequest(node.dir, '/v1/state')
    expect(state).toMatchObject({ isIntact: true, files: 1, bytes: 2, copy: null })

    await node.stop()
    const stopped = await runJson<DoctorReport>(['doctor', node.dir])
    expect(stopped.running).toBe(false)
    for (const name of ['hp.cfg', 'ports', 'ledgers', 'journal'])
      expect([name, stateOf(stopped, name)]).toEqual([name, 'ok'])
  })
})
