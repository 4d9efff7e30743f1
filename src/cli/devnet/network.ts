import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import {
  createContractDir,
  loadConfig,
  parseConfigText,
  readConfigText,
  tryPort,
  writeConfig
} from '../../config/index.js'
import { createKeyPair } from '../../crypto/index.js'
import { CliError, usageError } from '../errors.js'
import { type Contract, prepareContract } from './contract.js'

export const HOST = '127.0.0.1'
/** Each node has a row of ports: the first for users, then peers over WebSocket, then peers over TCP. */
const PORT_STEP = 10
const PORTS_USED = 3
/** Below the range from which systems take ports for outgoing connections. */
const FIRST_BASE_PORT = 20_000
const LAST_BASE_PORT = 30_000
const MIB = 1024 * 1024

const RECORD = v.strictObject({
  nodes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)),
  basePort: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  contract: v.string(),
  description: v.string(),
  sample: v.array(v.string())
})

/** devnet.json in the network's directory. */
export type NetworkRecord = v.InferOutput<typeof RECORD>

export interface NetworkOptions {
  dir: string
  nodes: number | undefined
  contract: string | undefined
  basePort: number | undefined
}

export interface Network extends NetworkRecord {
  dir: string
  isNew: boolean
  nodeDirs: string[]
  note: string | null
}

export const nodeDir = (dir: string, index: number): string => join(dir, `node${index + 1}`)

function portsOf(basePort: number, index: number): { pubport: number; peerport: number; tcpport: number } {
  const first = basePort + index * PORT_STEP
  return { pubport: first, peerport: first + 1, tcpport: first + 2 }
}

export function userUrl(basePort: number, index: number): string {
  return `ws://${HOST}:${portsOf(basePort, index).pubport}`
}

function peersOf(basePort: number, nodes: number, index: number): string[] {
  const others = Array.from({ length: nodes }, (_, other) => other).filter((other) => other !== index)
  return others.map((other) => `/ip4/${HOST}/tcp/${portsOf(basePort, other).tcpport}`)
}

async function findTakenPort(basePort: number, nodes: number): Promise<number | null> {
  for (let index = 0; index < nodes; index++) {
    for (const port of Object.values(portsOf(basePort, index))) {
      if ((await tryPort(HOST, port)) !== null) return port
    }
  }
  return null
}

async function chooseBasePort(given: number | undefined, nodes: number): Promise<number> {
  if (given !== undefined) {
    if (given + (nodes - 1) * PORT_STEP + PORTS_USED > 65_536)
      throw usageError(`--base-port ${given} leaves no room for ${nodes} nodes`)
    const taken = await findTakenPort(given, nodes)
    if (taken === null) return given
    throw new CliError(`port ${taken} is taken: stop the other program or choose another --base-port`)
  }
  const rows = (LAST_BASE_PORT - FIRST_BASE_PORT) / 100
  const start = Math.floor(Math.random() * rows)
  for (let row = 0; row < rows; row++) {
    const base = FIRST_BASE_PORT + ((start + row) % rows) * 100
    if ((await findTakenPort(base, nodes)) === null) return base
  }
  throw new CliError(`no free ports from ${FIRST_BASE_PORT} to ${LAST_BASE_PORT}: give --base-port`)
}

async function writeRecord(dir: string, record: NetworkRecord): Promise<void> {
  const path = join(dir, 'devnet.json')
  await writeFile(`${path}.tmp`, `${JSON.stringify(record, null, 2)}\n`)
  await rename(`${path}.tmp`, path)
}

async function readRecord(dir: string): Promise<NetworkRecord | null> {
  const path = join(dir, 'devnet.json')
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
    throw new CliError(`${path} cannot be read (${error.code})`)
  })
  if (text === null) return null
  try {
    return v.parse(RECORD, JSON.parse(text))
  } catch {
    throw new CliError(`${path} is damaged: remove ${dir} and start anew`)
  }
}

async function createNodes(dir: string, nodes: number, basePort: number, contract: Contract): Promise<void> {
  const keys = Array.from({ length: nodes }, () => createKeyPair())
  const unl = keys.map((pair) => pair.publicKey).sort()
  for (const [index, pair] of keys.entries()) {
    const path = nodeDir(dir, index)
    await createContractDir(path, {
      ...portsOf(basePort, index),
      keys: pair,
      unl,
      binary: contract.binary,
      binargs: contract.binargs,
      extra: {
        contractid: `devnet-${contract.name}`,
        ip: HOST,
        peers: peersOf(basePort, nodes, index),
        roundtime: 1000,
        minroundtime: 0,
        pubmaxsize: 4 * MIB,
        pubmaxcpm: 0,
        pubmaxaddrconns: 10_000
      }
    })
    await contract.install(path)
  }
}

async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { dir } = options
  const nodes = options.nodes ?? 4
  await mkdir(dir, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'there is a file of that name' : error.code
    throw new CliError(`--dir ${dir} cannot be made (${why}): choose another`)
  })
  if ((await readdir(dir)).length > 0)
    throw new CliError(`${dir} is not empty and holds no devnet.json: choose another --dir`)
  const workDir = join(dir, 'build')
  try {
    const contract = await prepareContract(options.contract ?? 'echo', workDir)
    const basePort = await chooseBasePort(options.basePort, nodes)
    await createNodes(dir, nodes, basePort, contract)
    const { name, description, sample } = contract
    const record = { nodes, basePort, contract: name, description, sample }
    await writeRecord(dir, record)
    return { ...record, dir, isNew: true, nodeDirs: listNodeDirs(dir, nodes), note: contract.note }
  } catch (error) {
    for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true, force: true })
    throw error
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}

function listNodeDirs(dir: string, nodes: number): string[] {
  return Array.from({ length: nodes }, (_, index) => nodeDir(dir, index))
}

/** Gives the nodes of a stopped network other ports. */
async function moveNetwork(dir: string, record: NetworkRecord, basePort: number): Promise<NetworkRecord> {
  for (let index = 0; index < record.nodes; index++) {
    const path = nodeDir(dir, index)
    const value = parseConfigText((await readConfigText(path)).text)
    await writeConfig(path, { ...value, ...portsOf(basePort, index), peers: peersOf(basePort, record.nodes, index) })
  }
  const moved = { ...record, basePort }
  await writeRecord(dir, moved)
  return moved
}

async function reopenNetwork(options: NetworkOptions, record: NetworkRecord): Promise<Network> {
  const { dir } = options
  if (options.nodes !== undefined && options.nodes !== record.nodes) {
    throw new CliError(`${dir} holds a network of ${record.nodes} nodes, not ${options.nodes}: choose another --dir`)
  }
  if (options.contract !== undefined && options.contract.replace(/^.*\//, '') !== record.contract) {
    const twin = `${options.contract}-node` === record.contract
    if (!twin)
      throw new CliError(`${dir} runs the contract ${record.contract}, not ${options.contract}: choose another --dir`)
  }
  const wanted = options.basePort ?? record.basePort
  const taken = await findTakenPort(wanted, record.nodes)
  if (taken !== null) {
    throw new CliError(`port ${taken} is taken: does this network run already? If not, choose another --base-port`)
  }
  const current = wanted === record.basePort ? record : await moveNetwork(dir, record, wanted)
  const nodeDirs = listNodeDirs(dir, record.nodes)
  for (const path of nodeDirs) await loadConfig(path)
  return { ...current, dir, isNew: false, nodeDirs, note: null }
}

/** Opens the network that lies in a directory, or makes a new one there. */
export async function openNetwork(options: NetworkOptions): Promise<Network> {
  const record = await readRecord(options.dir)
  return record === null ? createNetwork(options) : reopenNetwork(options, record)
}
