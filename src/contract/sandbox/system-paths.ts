import { lstatSync, readdirSync, readlinkSync } from 'node:fs'

/** Where programs and libraries lie; on many systems all but /usr are symlinks into it. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store', '/gnu/store']
/** What programs of the system need to start. No /etc/ssl as a whole: it holds private keys. */
const SETTINGS = [
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/alternatives',
  '/etc/ssl/openssl.cnf',
  '/etc/pki/tls/openssl.cnf',
  '/etc/crypto-policies'
]
/** What finding other machines needs. */
const NETWORK_SETTINGS = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/host.conf',
  '/etc/nsswitch.conf',
  '/etc/gai.conf',
  '/etc/services',
  '/etc/protocols',
  '/etc/ssl/certs',
  '/etc/ca-certificates',
  '/etc/pki/tls/certs',
  '/etc/pki/ca-trust'
]

/** bwrap's arguments for the read-only system. */
export function systemArguments(network: 'none' | 'host'): string[] {
  const wanted = [...SYSTEM, ...SETTINGS, ...javaSettings(), ...(network === 'host' ? NETWORK_SETTINGS : [])]
  return wanted.flatMap((path) => {
    const kind = kindOf(path)
    if (kind === null) return []
    // Settings that are symlinks (resolv.conf) become what they stand for: their target may lie in a hidden place.
    if (kind === 'symlink' && SYSTEM.includes(path)) return ['--symlink', readlinkSync(path), path]
    return ['--ro-bind-try', path, path]
  })
}

/** True when the path is part of what every contract sees. */
export function isInSystem(path: string): boolean {
  return SYSTEM.some((folder) => path === folder || path.startsWith(`${folder}/`))
}

/** A Java of the system keeps its settings there and does not start without. */
function javaSettings(): string[] {
  try {
    return readdirSync('/etc')
      .filter((name) => /^java(-[\w.-]+)?$/.test(name))
      .map((name) => `/etc/${name}`)
  } catch {
    return []
  }
}

export function kindOf(path: string): 'directory' | 'symlink' | 'other' | null {
  try {
    const stat = lstatSync(path)
    if (stat.isSymbolicLink()) return 'symlink'
    return stat.isDirectory() ? 'directory' : 'other'
  } catch {
    return null
  }
}
