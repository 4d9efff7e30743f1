import { execFile, execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'

const COMMAND_TIMEOUT_MS = 20_000
const CLONE_NEWNET = 0x40000000
const TUNSETIFF = 0x400454ca
const IFF_TUN = 0x1
const IFF_NO_PI = 0x1000
const IFREQ_BYTES = 40
const IFREQ_FLAGS_AT = 16

function hasCommand(name: string): boolean {
  try {
    execFileSync(name, ['-V'], { stdio: 'ignore', timeout: COMMAND_TIMEOUT_MS })
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** One sentence that says why the lab cannot run here and what to do, or null. */
export function findObstacle(): string | null {
  if (process.platform !== 'linux') return 'the NAT lab needs Linux: it is made of network namespaces'
  if (process.getuid?.() !== 0) return 'the NAT lab makes network namespaces and must run as root'
  if (!hasCommand('ip')) return 'the NAT lab needs the program `ip`: apt-get install iproute2'
  if (!hasCommand('nft')) return 'the NAT lab needs the program `nft`: apt-get install nftables'
  if (!existsSync('/dev/net/tun')) return 'the NAT lab needs /dev/net/tun: modprobe tun'
  return null
}

/** The same for homes whose router maps ports when asked. */
export function findPortMappingObstacle(): string | null {
  if (hasCommand('miniupnpd')) return null
  return 'a router that maps ports needs the program `miniupnpd`: apt-get install miniupnpd-nftables'
}

/** Runs a program to its end with `input`; rejects with what it printed when it fails. */
export function run(
  program: string,
  args: string[],
  { input = '', timeoutMs = COMMAND_TIMEOUT_MS }: { input?: string; timeoutMs?: number } = {}
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr.trim() || error.message}\n${input}`))
    })
    // A program that ends before it has read everything says why by its exit code.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

/** Runs lines of `ip`, all or none of what follows the first that fails; in a namespace when one is named. */
export async function ip(lines: string[], namespace?: string): Promise<void> {
  const where = namespace === undefined ? [] : ['-n', namespace]
  await run('ip', [...where, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

/** Loads a rule set with nft in a namespace, in one step. */
export async function nft(namespace: string, rules: string): Promise<void> {
  await run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], { input: rules })
}

/** Sets kernel parameters under net/ in a namespace: `ipv4/ip_forward` to a value. */
export async function setKernel(namespace: string, values: Record<string, string | number>): Promise<void> {
  const script = Object.entries(values).map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`)
  await run('ip', ['netns', 'exec', namespace, 'sh', '-ec', script.join('\n')])
}

function loadLibrary(): ReturnType<typeof import('koffi')['load']> {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  return koffi.load(null)
}

/**
 * Moves the calling thread, and it alone, into a network namespace: sockets that it opens from now on are there, those
 * it has stay where they are. There is no way back but the end of the thread.
 */
export function enterNamespace(namespace: string): void {
  const setns = loadLibrary().func('int setns(int fd, int kind)')
  const fd = openSync(`/run/netns/${namespace}`, 'r')
  try {
    if (setns(fd, CLONE_NEWNET) !== 0) throw new Error(`cannot enter the network namespace ${namespace}`)
  } finally {
    closeSync(fd)
  }
}

/** Opens the tun device of that name in the thread's namespace: each read is one packet that left by it. */
export function openTun(device: string): number {
  const ioctl = loadLibrary().func('int ioctl(int fd, unsigned long request, ...)')
  const fd = openSync('/dev/net/tun', 'r+')
  const request = Buffer.alloc(IFREQ_BYTES)
  request.write(device, 'latin1')
  request.writeInt16LE(IFF_TUN | IFF_NO_PI, IFREQ_FLAGS_AT)
  if (ioctl(fd, TUNSETIFF, 'uint8_t *', request) !== 0) {
    closeSync(fd)
    throw new Error(`cannot attach to the tun device ${device}`)
  }
  return fd
}
