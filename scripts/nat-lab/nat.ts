/**
 * How a home's router translates (RFC 4787):
 * - cone: the same outside port for a socket, whomever it talks to, and answers only from those it has talked to
 *   (endpoint-independent mapping, address and port-dependent filtering); what most homes have
 * - symmetric: another outside port for each destination; mobile and large providers
 */
export type NatKind = 'cone' | 'symmetric'

/**
 * The router's rules for nft. Linux keeps the source port of a translated socket when it is free outside, and one machine
 * behind the router always finds it free: that is a cone. With fully-random each connection gets a port of its own.
 */
export function natRules(kind: NatKind, lanHost: string, forward: number[]): string {
  const how = kind === 'cone' ? 'masquerade' : 'masquerade random,fully-random'
  const forwards = forward.map((port) => `iifname "wan" tcp dport ${port} dnat to ${lanHost}`)
  return `
    table ip nat {
      chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "wan" ${how}
      }
      chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        ${forwards.join('\n')}
      }
    }
    table ip filter {
      chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "lan" accept
        ct status dnat accept
      }
      chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname { "lo", "lan" } accept
        icmp type echo-request accept
      }
    }`
}

/** What a home's router does beside translating. */
export interface HomeOptions {
  /** TCP ports that the router's owner has opened to the home's machine. */
  forward?: number[]
  /** The router opens ports when it is asked: UPnP IGD and NAT-PMP, by miniupnpd. */
  portMapping?: boolean
}

/** The chains that miniupnpd fills with what it is asked for. */
export const PORT_MAPPING_RULES = `
    table inet miniupnpd {
      chain forward { type filter hook forward priority filter; policy accept; }
      chain prerouting { type nat hook prerouting priority dstnat; policy accept; }
      chain postrouting { type nat hook postrouting priority srcnat; policy accept; }
    }`

/** The configuration of miniupnpd; `dir` takes its files. */
export function portMappingConfig(dir: string): string {
  return `
ext_ifname=wan
listening_ip=lan
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
system_uptime=yes
uuid=6f6a6c7e-3c0d-4b7a-9f0e-2f1d1b6c9a10
lease_file=${dir}/leases
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=forward
upnp_nat_chain=prerouting
upnp_nat_postrouting_chain=postrouting
allow 1024-65535 192.168.1.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`
}
