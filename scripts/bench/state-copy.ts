/** Copies of a state between two processes, over the network and with the code of two nodes on one machine. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createKeyPair } from '../../dist/crypto/index.js'
import { type Figure, fillFiles } from './state-files.js'
import type { PeerCommand, PeerReply } from './state-peer.js'

const PEER = fileURLToPath(new URL('./state-peer.ts', import.meta.url))

class Peer {
  readonly #process: ChildProcess

  constructor() {
    this.#process = fork(PEER, [], { execArgv: ['--import', 'tsx'], serialization: 'advanced' })
  }

  async ask(command: PeerCommand): Promise<PeerReply> {
    this.#process.send(command)
    const reply = await Promise.race([
      once(this.#process, 'message').then(([message]) => message as PeerReply),
      once(this.#process, 'exit').then(() => Promise.reject(new Error('the process of the bench ended')))
    ])
    if (reply.error !== undefined) throw new Error(reply.error)
    return reply
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    await this.ask({ do: 'stop' }).catch(() => this.#process.kill('SIGKILL'))
    await exited
  }
}

export interface CopyOptions {
  base: string
  megabytes: number
  fileCount: number
  /** Changes the files of the source after a first copy; the second one is measured. */
  change?: (stateDir: string) => void
}

/** Fills a state, copies it from one process to the other, and tells how that went. */
async function copyOnce(options: CopyOptions): Promise<{ copied: PeerReply; served: PeerReply }> {
  const { base, megabytes, fileCount, change } = options
  const dir = fs.mkdtempSync(path.join(base, 'copy-'))
  const keys = [createKeyPair(), createKeyPair()] as const
  const validators = keys.map(({ publicKey }) => publicKey)
  const setupOf = (name: string, index: 0 | 1, peers: string[]) => {
    const at = (part: string) => path.join(dir, name, part)
    for (const part of ['state', 'data']) fs.mkdirSync(at(part), { recursive: true })
    return { stateDir: at('state'), metaDir: at('hist'), dataDir: at('data'), keyPair: keys[index], validators, peers }
  }
  const sourceSetup = setupOf('source', 0, [])
  fillFiles(sourceSetup.stateDir, megabytes, fileCount)
  const source = new Peer()
  const target = new Peer()
  try {
    let { address, root } = await source.ask({ do: 'start', setup: sourceSetup })
    await target.ask({ do: 'start', setup: setupOf('target', 1, [address.replace(/\/p2p\/.*/, '')]) })
    if (change !== undefined) {
      await target.ask({ do: 'copy', root })
      change(sourceSetup.stateDir)
      root = (await source.ask({ do: 'commit' })).root
    }
    const copied = await target.ask({ do: 'copy', root })
    return { copied, served: await source.ask({ do: 'nothing' }) }
  } finally {
    await source.stop()
    await target.stop()
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

const mb = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)

/** The best of some copies: the machine may have other things to do. */
export async function measureCopy(options: CopyOptions, times: number): Promise<Figure[]> {
  const name = `${options.fileCount} files, ${options.megabytes} MB: copy between two processes`
  let best: Awaited<ReturnType<typeof copyOnce>> | undefined
  for (let i = 0; i < times; i++) {
    const result = await copyOnce(options)
    if (best === undefined || result.copied.copy!.seconds < best.copied.copy!.seconds) best = result
  }
  const { copied, served } = best!
  const { seconds, wireBytes } = copied.copy!
  const rate = wireBytes / 1e6 / seconds
  const cpu = `CPU ${copied.cpuS.toFixed(1)} s copying, ${served.cpuS.toFixed(1)} s serving`
  return [
    {
      name,
      value: `${rate.toFixed(0)} MB/s`,
      wanted: '>= 100 MB/s',
      note: `${seconds.toFixed(1)} s; ${cpu}; best of ${times}`
    },
    {
      name: `${name}: memory`,
      value: `${mb(copied.peakBytes)} / ${mb(served.peakBytes)} MB`,
      wanted: '< 300 MB',
      note: 'most resident memory of the copying / the serving side'
    }
  ]
}

/** What a copy takes when one file of a hundred has changed. */
export async function measureUpdate(options: CopyOptions): Promise<Figure> {
  const change = (stateDir: string) => fillFiles(stateDir, options.megabytes, options.fileCount, 100)
  const { copied } = await copyOnce({ ...options, change })
  const { wireBytes, seconds } = copied.copy!
  const share = (100 * wireBytes) / (options.megabytes * 2 ** 20)
  return {
    name: `${options.fileCount} files, ${options.megabytes} MB, 1 % changed: copy`,
    value: `${mb(wireBytes)} MB`,
    wanted: 'about 1 %',
    note: `${share.toFixed(2)} % on the wire, requests included; ${(seconds * 1000).toFixed(0)} ms`
  }
}
