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
