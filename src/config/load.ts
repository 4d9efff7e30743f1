import { constants } from 'node:fs'
import { access, readFile, stat } from 'node:fs/promises'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { ConsensusConfig } from '../consensus/types.js'
import { ConfigError, type ConfigProblem, systemCode } from './errors.js'
import { INT32_MAX, type RawConfig } from './keys.js'
import { contractPaths } from './paths.js'
import { checkConfigShape, parseConfigText, readConfigText } from './read.js'
import { checkTogether, type Report } from './together.js'
import type { NodeConfig, UsersConfig } from './types.js'

export interface LoadOptions {
  /** False leaves out the files that only a running node needs: the contract and the certificate. */
  checkFiles?: boolean
}

/** Absolute path of the contract: in the contract directory, else, for a bare name, on PATH. */
async function resolveBinary(written: string, dir: string): Promise<string> {
  const path = resolve(dir, written)
  if (written.includes('/') || (await stat(path).catch(() => null)) !== null) return path
  return (await findInPath(written)) ?? path
}

async function findInPath(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (!isAbsolute(folder)) continue
    const path = join(folder, name)
    const found = await stat(path).catch(() => null)
    if (found?.isFile() && (await isExecutable(path))) return path
  }
  return null
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false
  )
}

async function checkBinary(written: string, path: string, report: Report): Promise<void> {
  // A program in the state is agreed on, and may come with the state from others or with a later ledger.
  if (/^(\.\/)?state\//.test(written)) return
  const found = await stat(path).catch((error: unknown) => systemCode(error) || 'EIO')
  if (typeof found === 'string') {
    const elsewhere = await findInPath(written.slice(written.lastIndexOf('/') + 1))
    const hint = elsewhere === null ? 'put the executable there or correct the path' : `did you mean "${elsewhere}"?`
    const why = found === 'ENOENT' || found === 'ENOTDIR' ? 'does not exist' : `cannot be read (${found})`
    return report('binary-missing', 'binary', `binary ${path} ${why}: ${hint}`)
  }
  if (!found.isFile()) return report('binary-missing', 'binary', `binary ${path} is not a file: correct the path`)
  if (!(await isExecutable(path))) {
    report('binary-not-executable', 'binary', `binary ${path} is not executable: \`chmod +x\` it`)
  }
}

/** Null, with a report, when the file cannot be read. */
async function readPem(key: string, path: string, report: Report): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    report('wrong-value', key, `${key} ${path} cannot be read (${systemCode(error)}): correct the path or its mode`)
    return null
  }
}

async function checkCertificate(tls: { certPath: string; keyPath: string }, report: Report): Promise<void> {
  const cert = await readPem('pubcert', tls.certPath, report)
  const key = await readPem('pubkeyfile', tls.keyPath, report)
  if (cert === null || key === null) return
  const problemOf = (options: SecureContextOptions): string | null => {
    try {
      createSecureContext(options)
      return null
    } catch (error) {
      return (error as Error).message.split('\n')[0] as string
    }
  }
  const certProblem = problemOf({ cert })
  if (certProblem !== null) {
    const text = `pubcert ${tls.certPath} holds no certificate (${certProblem}): it must be a PEM file`
    return report('wrong-value', 'pubcert', text)
  }
  const keyProblem = problemOf({ cert, key })
  if (keyProblem !== null) {
    const text = `pubkeyfile ${tls.keyPath} holds no private key of pubcert (${keyProblem}): it must be a PEM file`
    report('wrong-value', 'pubkeyfile', text)
  }
}

/** 0 stands for no limit. */
function unlessZero(limit: number): number {
  return limit === 0 ? INT32_MAX : limit
}

function usersOf(raw: RawConfig, dir: string): UsersConfig {
  const tls =
    raw.pubcert === null || raw.pubkeyfile === null
      ? null
      : { certPath: resolve(dir, raw.pubcert), keyPath: resolve(dir, raw.pubkeyfile) }
  return {
    host: raw.ip,
    port: raw.pubport,
    limits: {
      messageBytes: raw.pubmaxsize,
      messagesPerMinute: unlessZero(raw.pubmaxcpm),
      connections: raw.pubmaxconns,
      connectionsPerAddress: raw.pubmaxaddrconns,
      connectionsPerSecond: unlessZero(raw.pubmaxconnrate),
      addressConnectionsPerSecond: unlessZero(raw.pubmaxaddrconnrate),
      connectionsPerUser: raw.pubmaxuserconns,
      pendingHandshakes: raw.pubmaxhandshakes,
      bufferedBytes: raw.pubmaxbuffer,
      totalBufferedBytes: raw.pubmaxallbuffers
    },
    tls
  }
}

function consensusOf(raw: RawConfig): ConsensusConfig {
  return {
    unl: raw.unl,
    threshold: raw.threshold,
    roundtimeMs: raw.roundtime,
    minRoundtimeMs: raw.minroundtime,
    ledgerInputBytes: raw.ledgerbytes,
    userOutputBytes: raw.useroutputbytes,
    ledgerOutputBytes: raw.outputbytes,
    nplBytes: raw.nplbytes,
    execTimeoutMs: raw.exectimeout
  }
}

function warningsOf(raw: RawConfig, path: string, mode: number): string[] {
  const warnings: string[] = []
  if ((mode & 0o077) !== 0) {
    const octal = mode.toString(8).padStart(4, '0')
    warnings.push(`others can read the secret key: ${path} has mode ${octal}, \`chmod 600\` it`)
  }
  if (!raw.unl.includes(raw.pubkey)) {
    warnings.push('the own key is not in unl: this node is an observer, it follows and serves users but does not vote')
  }
  if (raw.unl.some((key) => key !== raw.pubkey) && raw.peers.length === 0) {
    warnings.push('peers is empty: this node waits for others to dial it')
  }
  if (raw.peerport === null && raw.tcpport === null) {
    warnings.push('peerport and tcpport are off: no peer can dial this node')
  }
  return warnings
}

function normalise(raw: RawConfig, dir: string, warnings: string[]): NodeConfig {
  return {
    dir,
    keys: { publicKey: raw.pubkey, secretKey: Buffer.from(raw.seckey, 'hex') },
    contractId: raw.contractid as string,
    consensus: consensusOf(raw),
    network: {
      host: raw.ip,
      wsPort: raw.peerport,
      tcpPort: raw.tcpport,
      peers: raw.peers,
      announce: raw.announce,
      maxConnections: raw.peermaxconns,
      maxConnectionsPerAddress: raw.peermaxaddrconns,
      maxPendingConnections: raw.peermaxpending,
      restrict: raw.restrict,
      observers: raw.observers,
      reachability: raw.reachability,
      relay: raw.relay,
      relays: raw.relays,
      relayCount: raw.relaycount,
      upnp: raw.upnp,
      mdns: raw.mdns,
      webrtc: raw.webrtc,
      stun: raw.stun
    },
    users: usersOf(raw, dir),
    contract: {
      binary: resolve(dir, raw.binary as string),
      args: raw.binargs,
      limits: {
        cpuSeconds: raw.contractcpuseconds,
        memoryBytes: raw.contractmemory,
        openFiles: raw.contractfiles,
        processes: raw.contractprocesses,
        fileBytes: raw.contractfilebytes,
        stateBytes: raw.contractstatebytes,
        tmpBytes: raw.sandboxtmpbytes,
        logBytes: raw.contractlogbytes,
        logFiles: raw.contractlogfiles
      },
      sandbox: { mode: raw.sandbox, network: raw.sandboxnetwork, paths: raw.sandboxpaths }
    },
    history: raw.history,
    logLevel: raw.loglevel,
    isValidator: raw.unl.includes(raw.pubkey),
    warnings
  }
}

/**
 * Reads, checks and normalises <dir>/cfg/hp.cfg. Throws `ConfigError` with one line for each mistake; what is allowed
 * but worth knowing is in `warnings`. Creates and changes nothing.
 */
export async function loadConfig(dir: string, options: LoadOptions = {}): Promise<NodeConfig> {
  const { text, mode } = await readConfigText(dir)
  const raw = checkConfigShape(parseConfigText(text))
  const paths = contractPaths(dir)
  const problems: ConfigProblem[] = []
  const report: Report = (code, key, message) => void problems.push({ code, key, message: `hp.cfg: ${message}` })
  checkTogether(raw, report)
  const config = normalise(raw, paths.dir, warningsOf(raw, paths.config, mode))
  if (options.checkFiles !== false) {
    config.contract.binary = await resolveBinary(raw.binary as string, paths.dir)
    await checkBinary(raw.binary as string, config.contract.binary, report)
    if (config.users.tls !== null) {
      await checkCertificate(config.users.tls, report)
    }
  }
  const [first, ...rest] = problems
  if (first !== undefined) throw new ConfigError([first, ...rest])
  return config
}
