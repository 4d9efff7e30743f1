import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LedgerSummary, LedgerView, NodeId, NodeStatus, PeerRow, VerifyResult } from '../../src/admin/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { runCli, runJson } from '../helpers/cli.js'
import { Cluster, makeTempDir } from '../helpers/cluster.js'

const NOT_REACHABLE = 3

describe('operating a network', () => {
  it('shows itself by the commands, stops in order and goes on from disk where it stood', async () => {
    const cluster = await Cluster.start({ contract: 'counter', config: { roundtime: 1000 } })
    const user = await cluster.connect(0)
    expect(await user.ask('add 41\n')).toBe('41\n')
    const { dir, publicKey } = cluster.node(1)

    const id = await runJson<NodeId>(['id', dir])
    const status = await runJson<NodeStatus>(['status', dir])
    expect(status).toMatchObject({ publicKey, peerId: id.peerId, networkId: id.networkId, role: 'validator' })
    expect(status).toMatchObject({ sync: 'synced', quorum: { needed: 3, present: 4, validators: 4 }, peers: 3 })
    const peers = await runJson<PeerRow[]>(['peers', dir])
    const others = cluster.nodes.map((node) => node.publicKey).filter((key) => key !== publicKey)
    expect(peers.map((peer) => peer.publicKey).sort()).toEqual(others.sort())
    for (const peer of peers) expect(peer).toMatchObject({ role: 'validator', connected: true, lastError: null })
    const rows = await runJson<LedgerSummary[]>(['ledger', 'ls', dir, '--from', '0', '--count', '1000'])
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index))
    const withInput = rows.find(({ inputs }) => inputs === 1) as LedgerSummary
    const shown = await runJson<LedgerView>(['ledger', 'show', withInput.hash, dir])
    expect(shown).toMatchObject({ seq: withInput.seq, userList: [{ key: user.key, inputs: 1, inputBytes: 7 }] })
    expect(shown.outputs?.firstOutputs).toMatchObject([{ user: user.key, preview: '41' }])
    expect(await runJson<VerifyResult>(['ledger', 'verify', dir])).toMatchObject({ ok: true, problem: null })
    for (const args of [
      ['status', dir],
      ['peers', dir],
      ['id', dir],
      ['ledger', 'ls', dir]
    ]) {
      expect(await runCli(args)).toMatchObject({ code: 0, stderr: '' })
    }

    await cluster.waitUntilSettled()
    const startMs = Date.now()
    expect(await cluster.stopAll()).toEqual(Array(4).fill('exit code 0'))
    expect(Date.now() - startMs).toBeLessThan(15_000)
    await cluster.waitUntil('the user to be told', () => user.closes.length > 0)
    expect(user.closes[0]).toBe('1001 the node stops')
    const before = await checkOneChain(cluster.nodes)

    for (const args of [
      ['status', dir],
      ['peers', dir]
    ]) {
      const { code, stdout, stderr } = await runCli(args)
      expect({ code, stdout }).toEqual({ code: NOT_REACHABLE, stdout: '' })
      expect(stderr).toMatch(/^hp-p2p: no node runs on .*\n$/)
    }
    expect((await runJson<LedgerView>(['ledger', 'show', 'latest', dir])).seq).toBeGreaterThanOrEqual(withInput.seq)
    expect(await runJson<VerifyResult>(['ledger', 'verify', dir])).toMatchObject({ ok: true })
    expect((await runJson<NodeId>(['id', dir])).networkId).toBe(id.networkId)

    await cluster.startAll()
    const again = await cluster.connect(3)
    expect(await again.ask('add 1\n')).toBe('42\n')
    await cluster.stopAll()
    const after = await checkOneChain(cluster.nodes, { isStateSettled: false })
    expect(after.ledgers.slice(0, before.ledgers.length).map(({ hash }) => hash)).toEqual(
      before.ledgers.map(({ hash }) => hash)
    )
    for (const node of cluster.nodes) expect(node.warnings()).toEqual([])
  })

  it('devnet --once is a script: it ends with 0, and its directory can be started again', async () => {
    const dir = join(await makeTempDir(), 'net')
    const { code, stdout } = await runCli(['devnet', '-n', '4', '--dir', dir, '--contract', 'echo', '--once'])
    expect(code).toBe(0)
    expect(stdout).toContain('> hello\nHELLO\n')
    const first = await runJson<LedgerSummary[]>(['ledger', 'ls', join(dir, 'node1'), '--from', '0', '--count', '1000'])
    const once = await runJson<{ answers: { output: string }[]; nodes: { pid: number }[] }>([
      'devnet',
      '--dir',
      dir,
      '--once'
    ])
    expect(once.answers.map(({ output }) => output)).toContain('HELLO')
    expect(once.nodes).toHaveLength(4)
    for (const { pid } of once.nodes) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    const second = await runJson<LedgerSummary[]>([
      'ledger',
      'ls',
      join(dir, 'node1'),
      '--from',
      '0',
      '--count',
      '1000'
    ])
    expect(second.length).toBeGreaterThan(first.length)
    expect(second.slice(0, first.length)).toEqual(first)
  })
})
