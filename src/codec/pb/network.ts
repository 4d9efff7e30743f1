import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface Hello {
  protocolVersion: number
  agent: string
  networkId: Uint8Array<ArrayBuffer>
  contractId: string
  unlHash: Uint8Array<ArrayBuffer>
  configHash: Uint8Array<ArrayBuffer>
  genesisStateRoot: Uint8Array<ArrayBuffer>
  threshold: number
  roundtimeMs: number
  minRoundtimeMs: number
  limitsHash: Uint8Array<ArrayBuffer>
  role: number
  publicKey: Uint8Array<ArrayBuffer>
  addresses: string[]
  seq: number
  lcl: Uint8Array<ArrayBuffer>
  timeMs: number
  instance: Uint8Array<ArrayBuffer>
  alone: boolean
  relay: boolean
  observed: string
}

export namespace Hello {
  let _codec: Codec<Hello>

  export const codec = (): Codec<Hello> => {
    if (_codec == null) {
      _codec = message<Hello>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.protocolVersion != null && obj.protocolVersion !== 0)) {
          w.uint32(8)
          w.uint32(obj.protocolVersion)
        }

        if ((obj.agent != null && obj.agent !== '')) {
          w.uint32(18)
          w.string(obj.agent)
        }

        if ((obj.networkId != null && obj.networkId.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.networkId)
        }

        if ((obj.contractId != null && obj.contractId !== '')) {
          w.uint32(34)
          w.string(obj.contractId)
        }

        if ((obj.unlHash != null && obj.unlHash.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.unlHash)
        }

        if ((obj.configHash != null && obj.configHash.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.configHash)
        }

        if ((obj.genesisStateRoot != null && obj.genesisStateRoot.byteLength > 0)) {
          w.uint32(58)
          w.bytes(obj.genesisStateRoot)
        }

        if ((obj.threshold != null && obj.threshold !== 0)) {
          w.uint32(64)
          w.uint32(obj.threshold)
        }

        if ((obj.roundtimeMs != null && obj.roundtimeMs !== 0)) {
          w.uint32(72)
          w.uint32(obj.roundtimeMs)
        }

        if ((obj.minRoundtimeMs != null && obj.minRoundtimeMs !== 0)) {
          w.uint32(80)
          w.uint32(obj.minRoundtimeMs)
        }

        if ((obj.limitsHash != null && obj.limitsHash.byteLength > 0)) {
          w.uint32(90)
          w.bytes(obj.limitsHash)
        }

        if ((obj.role != null && obj.role !== 0)) {
          w.uint32(96)
          w.uint32(obj.role)
        }

        if ((obj.publicKey != null && obj.publicKey.byteLength > 0)) {
          w.uint32(106)
          w.bytes(obj.publicKey)
        }

        if (obj.addresses != null && obj.addresses.length > 0) {
          for (const value of obj.addresses) {
            w.uint32(114)
            w.string(value)
          }
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(120)
          w.uint64Number(obj.seq)
        }

        if ((obj.lcl != null && obj.lcl.byteLength > 0)) {
          w.uint32(130)
          w.bytes(obj.lcl)
        }

        if ((obj.timeMs != null && obj.timeMs !== 0)) {
          w.uint32(136)
          w.uint64Number(obj.timeMs)
        }

        if ((obj.instance != null && obj.instance.byteLength > 0)) {
          w.uint32(146)
          w.bytes(obj.instance)
        }

        if ((obj.alone != null && obj.alone !== false)) {
          w.uint32(152)
          w.bool(obj.alone)
        }

        if ((obj.relay != null && obj.relay !== false)) {
          w.uint32(160)
          w.bool(obj.relay)
        }

        if ((obj.observed != null && obj.observed !== '')) {
          w.uint32(170)
          w.string(obj.observed)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          protocolVersion: 0,
          agent: '',
          networkId: uint8ArrayAlloc(0),
          contractId: '',
          unlHash: uint8ArrayAlloc(0),
          configHash: uint8ArrayAlloc(0),
          genesisStateRoot: uint8ArrayAlloc(0),
          threshold: 0,
          roundtimeMs: 0,
          minRoundtimeMs: 0,
          limitsHash: uint8ArrayAlloc(0),
          role: 0,
          publicKey: uint8ArrayAlloc(0),
          addresses: [],
          seq: 0,
          lcl: uint8ArrayAlloc(0),
          timeMs: 0,
          instance: uint8ArrayAlloc(0),
          alone: false,
          relay: false,
          observed: ''
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.protocolVersion = reader.uint32()
              break
            }
            case 2: {
              obj.agent = reader.string()
              break
            }
            case 3: {
              obj.networkId = reader.bytes()
              break
            }
            case 4: {
              obj.contractId = reader.string()
              break
            }
            case 5: {
              obj.unlHash = reader.bytes()
              break
            }
            case 6: {
              obj.configHash = reader.bytes()
              break
            }
            case 7: {
              obj.genesisStateRoot = reader.bytes()
              break
            }
            case 8: {
              obj.threshold = reader.uint32()
              break
            }
            case 9: {
              obj.roundtimeMs = reader.uint32()
              break
            }
            case 10: {
              obj.minRoundtimeMs = reader.uint32()
              break
            }
            case 11: {
              obj.limitsHash = reader.bytes()
              break
            }
            case 12: {
              obj.role = reader.uint32()
              break
            }
            case 13: {
              obj.publicKey = reader.bytes()
              break
            }
            case 14: {
              if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements')
              }

              obj.addresses.push(reader.string())
              break
            }
            case 15: {
              obj.seq = reader.uint64Number()
              break
            }
            case 16: {
              obj.lcl = reader.bytes()
              break
            }
            case 17: {
              obj.timeMs = reader.uint64Number()
              break
            }
            case 18: {
              obj.instance = reader.bytes()
              break
            }
            case 19: {
              obj.alone = reader.bool()
              break
            }
            case 20: {
              obj.relay = reader.bool()
              break
            }
            case 21: {
              obj.observed = reader.string()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          addresses: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.protocolVersion`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.agent`,
                value: reader.string()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.networkId`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.contractId`,
                value: reader.string()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.unlHash`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.configHash`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.genesisStateRoot`,
                value: reader.bytes()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.threshold`,
                value: reader.uint32()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.roundtimeMs`,
                value: reader.uint32()
              }
              break
            }
            case 10: {
              yield {
                field: `${prefix}.minRoundtimeMs`,
                value: reader.uint32()
              }
              break
            }
            case 11: {
              yield {
                field: `${prefix}.limitsHash`,
                value: reader.bytes()
              }
              break
            }
            case 12: {
              yield {
                field: `${prefix}.role`,
                value: reader.uint32()
              }
              break
            }
            case 13: {
              yield {
                field: `${prefix}.publicKey`,
                value: reader.bytes()
              }
              break
            }
            case 14: {
              if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements')
              }

              yield {
                field: `${prefix}.addresses[]`,
                index: obj.addresses,
                value: reader.string()
              }

              obj.addresses++

              break
            }
            case 15: {
              yield {
                field: `${prefix}.seq`,
                value: reader.uint64Number()
              }
              break
            }
            case 16: {
              yield {
                field: `${prefix}.lcl`,
                value: reader.bytes()
              }
              break
            }
            case 17: {
              yield {
                field: `${prefix}.timeMs`,
                value: reader.uint64Number()
              }
              break
            }
            case 18: {
              yield {
                field: `${prefix}.instance`,
                value: reader.bytes()
              }
              break
            }
            case 19: {
              yield {
                field: `${prefix}.alone`,
                value: reader.bool()
              }
              break
            }
            case 20: {
              yield {
                field: `${prefix}.relay`,
                value: reader.bool()
              }
              break
            }
            case 21: {
              yield {
                field: `${prefix}.observed`,
                value: reader.string()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface HelloProtocolVersionFieldEvent {
    field: '$.protocolVersion'
    value: number
  }

  export interface HelloAgentFieldEvent {
    field: '$.agent'
    value: string
  }

  export interface HelloNetworkIdFieldEvent {
    field: '$.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloContractIdFieldEvent {
    field: '$.contractId'
    value: string
  }

  export interface HelloUnlHashFieldEvent {
    field: '$.unlHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloConfigHashFieldEvent {
    field: '$.configHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloGenesisStateRootFieldEvent {
    field: '$.genesisStateRoot'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloThresholdFieldEvent {
    field: '$.threshold'
    value: number
  }

  export interface HelloRoundtimeMsFieldEvent {
    field: '$.roundtimeMs'
    value: number
  }

  export interface HelloMinRoundtimeMsFieldEvent {
    field: '$.minRoundtimeMs'
    value: number
  }

  export interface HelloLimitsHashFieldEvent {
    field: '$.limitsHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloRoleFieldEvent {
    field: '$.role'
    value: number
  }

  export interface HelloPublicKeyFieldEvent {
    field: '$.publicKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloAddressesFieldEvent {
    field: '$.addresses[]'
    index: number
    value: string
  }

  export interface HelloSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface HelloLclFieldEvent {
    field: '$.lcl'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloTimeMsFieldEvent {
    field: '$.timeMs'
    value: number
  }

  export interface HelloInstanceFieldEvent {
    field: '$.instance'
    value: Uint8Array<ArrayBuffer>
  }

  export interface HelloAloneFieldEvent {
    field: '$.alone'
    value: boolean
  }

  export interface HelloRelayFieldEvent {
    field: '$.relay'
    value: boolean
  }

  export interface HelloObservedFieldEvent {
    field: '$.observed'
    value: string
  }

  export function encode (obj: Partial<Hello>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Hello.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Hello>): Hello {
    return decodeMessage(buf, Hello.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Hello>): Generator<HelloProtocolVersionFieldEvent | HelloAgentFieldEvent | HelloNetworkIdFieldEvent | HelloContractIdFieldEvent | HelloUnlHashFieldEvent | HelloConfigHashFieldEvent | HelloGenesisStateRootFieldEvent | HelloThresholdFieldEvent | HelloRoundtimeMsFieldEvent | HelloMinRoundtimeMsFieldEvent | HelloLimitsHashFieldEvent | HelloRoleFieldEvent | HelloPublicKeyFieldEvent | HelloAddressesFieldEvent | HelloSeqFieldEvent | HelloLclFieldEvent | HelloTimeMsFieldEvent | HelloInstanceFieldEvent | HelloAloneFieldEvent | HelloRelayFieldEvent | HelloObservedFieldEvent> {
    return streamMessage(buf, Hello.codec(), opts)
  }
}

export interface Verdict {
  accepted: boolean
  code: string
  reason: string
}

export namespace Verdict {
  let _codec: Codec<Verdict>

  export const codec = (): Codec<Verdict> => {
    if (_codec == null) {
      _codec = message<Verdict>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.accepted != null && obj.accepted !== false)) {
          w.uint32(8)
          w.bool(obj.accepted)
        }

        if ((obj.code != null && obj.code !== '')) {
          w.uint32(18)
          w.string(obj.code)
        }

        if ((obj.reason != null && obj.reason !== '')) {
          w.uint32(26)
          w.string(obj.reason)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          accepted: false,
          code: '',
          reason: ''
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.accepted = reader.bool()
              break
            }
            case 2: {
              obj.code = reader.string()
              break
            }
            case 3: {
              obj.reason = reader.string()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.accepted`,
                value: reader.bool()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.code`,
                value: reader.string()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.reason`,
                value: reader.string()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface VerdictAcceptedFieldEvent {
    field: '$.accepted'
    value: boolean
  }

  export interface VerdictCodeFieldEvent {
    field: '$.code'
    value: string
  }

  export interface VerdictReasonFieldEvent {
    field: '$.reason'
    value: string
  }

  export function encode (obj: Partial<Verdict>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Verdict.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Verdict>): Verdict {
    return decodeMessage(buf, Verdict.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Verdict>): Generator<VerdictAcceptedFieldEvent | VerdictCodeFieldEvent | VerdictReasonFieldEvent> {
    return streamMessage(buf, Verdict.codec(), opts)
  }
}

export interface Goodbye {
  code: string
  reason: string
}

export namespace Goodbye {
  let _codec: Codec<Goodbye>

  export const codec = (): Codec<Goodbye> => {
    if (_codec == null) {
      _codec = message<Goodbye>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.code != null && obj.code !== '')) {
          w.uint32(10)
          w.string(obj.code)
        }

        if ((obj.reason != null && obj.reason !== '')) {
          w.uint32(18)
          w.string(obj.reason)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          code: '',
          reason: ''
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.code = reader.string()
              break
            }
            case 2: {
              obj.reason = reader.string()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.code`,
                value: reader.string()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.reason`,
                value: reader.string()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface GoodbyeCodeFieldEvent {
    field: '$.code'
    value: string
  }

  export interface GoodbyeReasonFieldEvent {
    field: '$.reason'
    value: string
  }

  export function encode (obj: Partial<Goodbye>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Goodbye.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Goodbye>): Goodbye {
    return decodeMessage(buf, Goodbye.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Goodbye>): Generator<GoodbyeCodeFieldEvent | GoodbyeReasonFieldEvent> {
    return streamMessage(buf, Goodbye.codec(), opts)
  }
}

export interface Failure {
  code: string
  message: string
}

export namespace Failure {
  let _codec: Codec<Failure>

  export const codec = (): Codec<Failure> => {
    if (_codec == null) {
      _codec = message<Failure>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.code != null && obj.code !== '')) {
          w.uint32(10)
          w.string(obj.code)
        }

        if ((obj.message != null && obj.message !== '')) {
          w.uint32(18)
          w.string(obj.message)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          code: '',
          message: ''
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.code = reader.string()
              break
            }
            case 2: {
              obj.message = reader.string()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.code`,
                value: reader.string()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.message`,
                value: reader.string()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface FailureCodeFieldEvent {
    field: '$.code'
    value: string
  }

  export interface FailureMessageFieldEvent {
    field: '$.message'
    value: string
  }

  export function encode (obj: Partial<Failure>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Failure.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Failure>): Failure {
    return decodeMessage(buf, Failure.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Failure>): Generator<FailureCodeFieldEvent | FailureMessageFieldEvent> {
    return streamMessage(buf, Failure.codec(), opts)
  }
}

export interface PeerAddresses {
  publicKey: Uint8Array<ArrayBuffer>
  addresses: string[]
}

export namespace PeerAddresses {
  let _codec: Codec<PeerAddresses>

  export const codec = (): Codec<PeerAddresses> => {
    if (_codec == null) {
      _codec = message<PeerAddresses>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.publicKey != null && obj.publicKey.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.publicKey)
        }

        if (obj.addresses != null && obj.addresses.length > 0) {
          for (const value of obj.addresses) {
            w.uint32(18)
            w.string(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          publicKey: uint8ArrayAlloc(0),
          addresses: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.publicKey = reader.bytes()
              break
            }
            case 2: {
              if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements')
              }

              obj.addresses.push(reader.string())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          addresses: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.publicKey`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements')
              }

              yield {
                field: `${prefix}.addresses[]`,
                index: obj.addresses,
                value: reader.string()
              }

              obj.addresses++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface PeerAddressesPublicKeyFieldEvent {
    field: '$.publicKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface PeerAddressesAddressesFieldEvent {
    field: '$.addresses[]'
    index: number
    value: string
  }

  export function encode (obj: Partial<PeerAddresses>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, PeerAddresses.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PeerAddresses>): PeerAddresses {
    return decodeMessage(buf, PeerAddresses.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PeerAddresses>): Generator<PeerAddressesPublicKeyFieldEvent | PeerAddressesAddressesFieldEvent> {
    return streamMessage(buf, PeerAddresses.codec(), opts)
  }
}

export interface PeerList {
  peers: PeerAddresses[]
}

export namespace PeerList {
  let _codec: Codec<PeerList>

  export const codec = (): Codec<PeerList> => {
    if (_codec == null) {
      _codec = message<PeerList>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.peers != null && obj.peers.length > 0) {
          for (const value of obj.peers) {
            w.uint32(10)
            PeerAddresses.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          peers: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.peers != null && obj.peers.length === opts.limits.peers) {
                throw new MaxLengthError('Decode error - repeated field "peers" had too many elements')
              }

              obj.peers.push(PeerAddresses.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.peers$
              }))
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          peers: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.peers != null && obj.peers === opts.limits.peers) {
                throw new MaxLengthError('Streaming decode error - repeated field "peers" had too many elements')
              }

              for (const evt of PeerAddresses.codec().stream(reader, reader.uint32(), `${prefix}.peers[]`, {
                limits: opts.limits?.peers$
              })) {
                yield {
                  ...evt,
                  index: obj.peers
                }
              }

              obj.peers++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface PeerListPeersPublicKeyFieldEvent {
    field: '$.peers[].publicKey'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface PeerListPeersAddressesFieldEvent {
    field: '$.peers[].addresses[]'
    index: number
    value: string
  }

  export function encode (obj: Partial<PeerList>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, PeerList.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PeerList>): PeerList {
    return decodeMessage(buf, PeerList.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PeerList>): Generator<PeerListPeersPublicKeyFieldEvent | PeerListPeersAddressesFieldEvent> {
    return streamMessage(buf, PeerList.codec(), opts)
  }
}

export interface Status {
  seq: number
  lcl: Uint8Array<ArrayBuffer>
  role: number
  agent: string
  addresses: string[]
  relay: boolean
  unreached: Uint8Array<ArrayBuffer>[]
}

export namespace Status {
  let _codec: Codec<Status>

  export const codec = (): Codec<Status> => {
    if (_codec == null) {
      _codec = message<Status>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(8)
          w.uint64Number(obj.seq)
        }

        if ((obj.lcl != null && obj.lcl.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.lcl)
        }

        if ((obj.role != null && obj.role !== 0)) {
          w.uint32(24)
          w.uint32(obj.role)
        }

        if ((obj.agent != null && obj.agent !== '')) {
          w.uint32(34)
          w.string(obj.agent)
        }

        if (obj.addresses != null && obj.addresses.length > 0) {
          for (const value of obj.addresses) {
            w.uint32(42)
            w.string(value)
          }
        }

        if ((obj.relay != null && obj.relay !== false)) {
          w.uint32(48)
          w.bool(obj.relay)
        }

        if (obj.unreached != null && obj.unreached.length > 0) {
          for (const value of obj.unreached) {
            w.uint32(58)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          seq: 0,
          lcl: uint8ArrayAlloc(0),
          role: 0,
          agent: '',
          addresses: [],
          relay: false,
          unreached: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.seq = reader.uint64Number()
              break
            }
            case 2: {
              obj.lcl = reader.bytes()
              break
            }
            case 3: {
              obj.role = reader.uint32()
              break
            }
            case 4: {
              obj.agent = reader.string()
              break
            }
            case 5: {
              if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements')
              }

              obj.addresses.push(reader.string())
              break
            }
            case 6: {
              obj.relay = reader.bool()
              break
            }
            case 7: {
              if (opts.limits?.unreached != null && obj.unreached.length === opts.limits.unreached) {
                throw new MaxLengthError('Decode error - repeated field "unreached" had too many elements')
              }

              obj.unreached.push(reader.bytes())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          addresses: 0,
          unreached: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.seq`,
                value: reader.uint64Number()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.lcl`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.role`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.agent`,
                value: reader.string()
              }
              break
            }
            case 5: {
              if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements')
              }

              yield {
                field: `${prefix}.addresses[]`,
                index: obj.addresses,
                value: reader.string()
              }

              obj.addresses++

              break
            }
            case 6: {
              yield {
                field: `${prefix}.relay`,
                value: reader.bool()
              }
              break
            }
            case 7: {
              if (opts.limits?.unreached != null && obj.unreached === opts.limits.unreached) {
                throw new MaxLengthError('Streaming decode error - repeated field "unreached" had too many elements')
              }

              yield {
                field: `${prefix}.unreached[]`,
                index: obj.unreached,
                value: reader.bytes()
              }

              obj.unreached++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface StatusSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface StatusLclFieldEvent {
    field: '$.lcl'
    value: Uint8Array<ArrayBuffer>
  }

  export interface StatusRoleFieldEvent {
    field: '$.role'
    value: number
  }

  export interface StatusAgentFieldEvent {
    field: '$.agent'
    value: string
  }

  export interface StatusAddressesFieldEvent {
    field: '$.addresses[]'
    index: number
    value: string
  }

  export interface StatusRelayFieldEvent {
    field: '$.relay'
    value: boolean
  }

  export interface StatusUnreachedFieldEvent {
    field: '$.unreached[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Status>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Status.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Status>): Status {
    return decodeMessage(buf, Status.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Status>): Generator<StatusSeqFieldEvent | StatusLclFieldEvent | StatusRoleFieldEvent | StatusAgentFieldEvent | StatusAddressesFieldEvent | StatusRelayFieldEvent | StatusUnreachedFieldEvent> {
    return streamMessage(buf, Status.codec(), opts)
  }
}

export interface DialBack {
  addresses: string[]
}

export namespace DialBack {
  let _codec: Codec<DialBack>

  export const codec = (): Codec<DialBack> => {
    if (_codec == null) {
      _codec = message<DialBack>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.addresses != null && obj.addresses.length > 0) {
          for (const value of obj.addresses) {
            w.uint32(10)
            w.string(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          addresses: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements')
              }

              obj.addresses.push(reader.string())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          addresses: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements')
              }

              yield {
                field: `${prefix}.addresses[]`,
                index: obj.addresses,
                value: reader.string()
              }

              obj.addresses++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface DialBackAddressesFieldEvent {
    field: '$.addresses[]'
    index: number
    value: string
  }

  export function encode (obj: Partial<DialBack>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, DialBack.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<DialBack>): DialBack {
    return decodeMessage(buf, DialBack.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<DialBack>): Generator<DialBackAddressesFieldEvent> {
    return streamMessage(buf, DialBack.codec(), opts)
  }
}

export interface DialBackResult {
  reached: boolean[]
}

export namespace DialBackResult {
  let _codec: Codec<DialBackResult>

  export const codec = (): Codec<DialBackResult> => {
    if (_codec == null) {
      _codec = message<DialBackResult>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.reached != null && obj.reached.length > 0) {
          for (const value of obj.reached) {
            w.uint32(8)
            w.bool(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          reached: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.reached != null && obj.reached.length === opts.limits.reached) {
                throw new MaxLengthError('Decode error - repeated field "reached" had too many elements')
              }

              obj.reached.push(reader.bool())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          reached: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.reached != null && obj.reached === opts.limits.reached) {
                throw new MaxLengthError('Streaming decode error - repeated field "reached" had too many elements')
              }

              yield {
                field: `${prefix}.reached[]`,
                index: obj.reached,
                value: reader.bool()
              }

              obj.reached++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface DialBackResultReachedFieldEvent {
    field: '$.reached[]'
    index: number
    value: boolean
  }

  export function encode (obj: Partial<DialBackResult>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, DialBackResult.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<DialBackResult>): DialBackResult {
    return decodeMessage(buf, DialBackResult.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<DialBackResult>): Generator<DialBackResultReachedFieldEvent> {
    return streamMessage(buf, DialBackResult.codec(), opts)
  }
}
