import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface ConsensusConfig {
  unl: Uint8Array<ArrayBuffer>[]
  threshold: number
  roundtimeMs: number
  minRoundtimeMs: number
  ledgerInputBytes: number
  userOutputBytes: number
  ledgerOutputBytes: number
  nplBytes: number
  execTimeoutMs: number
}

export namespace ConsensusConfig {
  let _codec: Codec<ConsensusConfig>

  export const codec = (): Codec<ConsensusConfig> => {
    if (_codec == null) {
      _codec = message<ConsensusConfig>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.unl != null && obj.unl.length > 0) {
          for (const value of obj.unl) {
            w.uint32(10)
            w.bytes(value)
          }
        }

        if ((obj.threshold != null && obj.threshold !== 0)) {
          w.uint32(16)
          w.uint32(obj.threshold)
        }

        if ((obj.roundtimeMs != null && obj.roundtimeMs !== 0)) {
          w.uint32(24)
          w.uint32(obj.roundtimeMs)
        }

        if ((obj.minRoundtimeMs != null && obj.minRoundtimeMs !== 0)) {
          w.uint32(32)
          w.uint32(obj.minRoundtimeMs)
        }

        if ((obj.ledgerInputBytes != null && obj.ledgerInputBytes !== 0)) {
          w.uint32(40)
          w.uint64Number(obj.ledgerInputBytes)
        }

        if ((obj.userOutputBytes != null && obj.userOutputBytes !== 0)) {
          w.uint32(48)
          w.uint64Number(obj.userOutputBytes)
        }

        if ((obj.ledgerOutputBytes != null && obj.ledgerOutputBytes !== 0)) {
          w.uint32(56)
          w.uint64Number(obj.ledgerOutputBytes)
        }

        if ((obj.nplBytes != null && obj.nplBytes !== 0)) {
          w.uint32(64)
          w.uint64Number(obj.nplBytes)
        }

        if ((obj.execTimeoutMs != null && obj.execTimeoutMs !== 0)) {
          w.uint32(72)
          w.uint32(obj.execTimeoutMs)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          unl: [],
          threshold: 0,
          roundtimeMs: 0,
          minRoundtimeMs: 0,
          ledgerInputBytes: 0,
          userOutputBytes: 0,
          ledgerOutputBytes: 0,
          nplBytes: 0,
          execTimeoutMs: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.unl != null && obj.unl.length === opts.limits.unl) {
                throw new MaxLengthError('Decode error - repeated field "unl" had too many elements')
              }

              obj.unl.push(reader.bytes())
              break
            }
            case 2: {
              obj.threshold = reader.uint32()
              break
            }
            case 3: {
              obj.roundtimeMs = reader.uint32()
              break
            }
            case 4: {
              obj.minRoundtimeMs = reader.uint32()
              break
            }
            case 5: {
              obj.ledgerInputBytes = reader.uint64Number()
              break
            }
            case 6: {
              obj.userOutputBytes = reader.uint64Number()
              break
            }
            case 7: {
              obj.ledgerOutputBytes = reader.uint64Number()
              break
            }
            case 8: {
              obj.nplBytes = reader.uint64Number()
              break
            }
            case 9: {
              obj.execTimeoutMs = reader.uint32()
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
          unl: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.unl != null && obj.unl === opts.limits.unl) {
                throw new MaxLengthError('Streaming decode error - repeated field "unl" had too many elements')
              }

              yield {
                field: `${prefix}.unl[]`,
                index: obj.unl,
                value: reader.bytes()
              }

              obj.unl++

              break
            }
            case 2: {
              yield {
                field: `${prefix}.threshold`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.roundtimeMs`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.minRoundtimeMs`,
                value: reader.uint32()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.ledgerInputBytes`,
                value: reader.uint64Number()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.userOutputBytes`,
                value: reader.uint64Number()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.ledgerOutputBytes`,
                value: reader.uint64Number()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.nplBytes`,
                value: reader.uint64Number()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.execTimeoutMs`,
                value: reader.uint32()
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

  export interface ConsensusConfigUnlFieldEvent {
    field: '$.unl[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusConfigThresholdFieldEvent {
    field: '$.threshold'
    value: number
  }

  export interface ConsensusConfigRoundtimeMsFieldEvent {
    field: '$.roundtimeMs'
    value: number
  }

  export interface ConsensusConfigMinRoundtimeMsFieldEvent {
    field: '$.minRoundtimeMs'
    value: number
  }

  export interface ConsensusConfigLedgerInputBytesFieldEvent {
    field: '$.ledgerInputBytes'
    value: number
  }

  export interface ConsensusConfigUserOutputBytesFieldEvent {
    field: '$.userOutputBytes'
    value: number
  }

  export interface ConsensusConfigLedgerOutputBytesFieldEvent {
    field: '$.ledgerOutputBytes'
    value: number
  }

  export interface ConsensusConfigNplBytesFieldEvent {
    field: '$.nplBytes'
    value: number
  }

  export interface ConsensusConfigExecTimeoutMsFieldEvent {
    field: '$.execTimeoutMs'
    value: number
  }

  export function encode (obj: Partial<ConsensusConfig>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ConsensusConfig.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ConsensusConfig>): ConsensusConfig {
    return decodeMessage(buf, ConsensusConfig.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ConsensusConfig>): Generator<ConsensusConfigUnlFieldEvent | ConsensusConfigThresholdFieldEvent | ConsensusConfigRoundtimeMsFieldEvent | ConsensusConfigMinRoundtimeMsFieldEvent | ConsensusConfigLedgerInputBytesFieldEvent | ConsensusConfigUserOutputBytesFieldEvent | ConsensusConfigLedgerOutputBytesFieldEvent | ConsensusConfigNplBytesFieldEvent | ConsensusConfigExecTimeoutMsFieldEvent> {
    return streamMessage(buf, ConsensusConfig.codec(), opts)
  }
}

export interface Genesis {
  version: number
  contractId: string
  config?: ConsensusConfig
  stateRoot: Uint8Array<ArrayBuffer>
}

export namespace Genesis {
  let _codec: Codec<Genesis>

  export const codec = (): Codec<Genesis> => {
    if (_codec == null) {
      _codec = message<Genesis>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.version != null && obj.version !== 0)) {
          w.uint32(8)
          w.uint32(obj.version)
        }

        if ((obj.contractId != null && obj.contractId !== '')) {
          w.uint32(18)
          w.string(obj.contractId)
        }

        if (obj.config != null) {
          w.uint32(26)
          ConsensusConfig.codec().encode(obj.config, w)
        }

        if ((obj.stateRoot != null && obj.stateRoot.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.stateRoot)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          version: 0,
          contractId: '',
          stateRoot: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.version = reader.uint32()
              break
            }
            case 2: {
              obj.contractId = reader.string()
              break
            }
            case 3: {
              obj.config = ConsensusConfig.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.config
              })
              break
            }
            case 4: {
              obj.stateRoot = reader.bytes()
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
                field: `${prefix}.version`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.contractId`,
                value: reader.string()
              }
              break
            }
            case 3: {
              yield * ConsensusConfig.codec().stream(reader, reader.uint32(), `${prefix}.config`, {
                limits: opts.limits?.config
              })

              break
            }
            case 4: {
              yield {
                field: `${prefix}.stateRoot`,
                value: reader.bytes()
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

  export interface GenesisVersionFieldEvent {
    field: '$.version'
    value: number
  }

  export interface GenesisContractIdFieldEvent {
    field: '$.contractId'
    value: string
  }

  export interface GenesisConfigUnlFieldEvent {
    field: '$.config.unl[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface GenesisConfigThresholdFieldEvent {
    field: '$.config.threshold'
    value: number
  }

  export interface GenesisConfigRoundtimeMsFieldEvent {
    field: '$.config.roundtimeMs'
    value: number
  }

  export interface GenesisConfigMinRoundtimeMsFieldEvent {
    field: '$.config.minRoundtimeMs'
    value: number
  }

  export interface GenesisConfigLedgerInputBytesFieldEvent {
    field: '$.config.ledgerInputBytes'
    value: number
  }

  export interface GenesisConfigUserOutputBytesFieldEvent {
    field: '$.config.userOutputBytes'
    value: number
  }

  export interface GenesisConfigLedgerOutputBytesFieldEvent {
    field: '$.config.ledgerOutputBytes'
    value: number
  }

  export interface GenesisConfigNplBytesFieldEvent {
    field: '$.config.nplBytes'
    value: number
  }

  export interface GenesisConfigExecTimeoutMsFieldEvent {
    field: '$.config.execTimeoutMs'
    value: number
  }

  export interface GenesisStateRootFieldEvent {
    field: '$.stateRoot'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Genesis>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Genesis.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Genesis>): Genesis {
    return decodeMessage(buf, Genesis.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Genesis>): Generator<GenesisVersionFieldEvent | GenesisContractIdFieldEvent | GenesisConfigUnlFieldEvent | GenesisConfigThresholdFieldEvent | GenesisConfigRoundtimeMsFieldEvent | GenesisConfigMinRoundtimeMsFieldEvent | GenesisConfigLedgerInputBytesFieldEvent | GenesisConfigUserOutputBytesFieldEvent | GenesisConfigLedgerOutputBytesFieldEvent | GenesisConfigNplBytesFieldEvent | GenesisConfigExecTimeoutMsFieldEvent | GenesisStateRootFieldEvent> {
    return streamMessage(buf, Genesis.codec(), opts)
  }
}

export interface LedgerHeader {
  version: number
  networkId: Uint8Array<ArrayBuffer>
  seq: number
  prevHash: Uint8Array<ArrayBuffer>
  timeMs: number
  usersHash: Uint8Array<ArrayBuffer>
  inputsHash: Uint8Array<ArrayBuffer>
  resultStatus: number
  stateRoot: Uint8Array<ArrayBuffer>
  outputsRoot: Uint8Array<ArrayBuffer>
  configHash: Uint8Array<ArrayBuffer>
  support: number
  proposals: Uint8Array<ArrayBuffer>[]
}

export namespace LedgerHeader {
  let _codec: Codec<LedgerHeader>

  export const codec = (): Codec<LedgerHeader> => {
    if (_codec == null) {
      _codec = message<LedgerHeader>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.version != null && obj.version !== 0)) {
          w.uint32(8)
          w.uint32(obj.version)
        }

        if ((obj.networkId != null && obj.networkId.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.networkId)
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(24)
          w.uint64Number(obj.seq)
        }

        if ((obj.prevHash != null && obj.prevHash.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.prevHash)
        }

        if ((obj.timeMs != null && obj.timeMs !== 0)) {
          w.uint32(40)
          w.uint64Number(obj.timeMs)
        }

        if ((obj.usersHash != null && obj.usersHash.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.usersHash)
        }

        if ((obj.inputsHash != null && obj.inputsHash.byteLength > 0)) {
          w.uint32(58)
          w.bytes(obj.inputsHash)
        }

        if ((obj.resultStatus != null && obj.resultStatus !== 0)) {
          w.uint32(64)
          w.uint32(obj.resultStatus)
        }

        if ((obj.stateRoot != null && obj.stateRoot.byteLength > 0)) {
          w.uint32(74)
          w.bytes(obj.stateRoot)
        }

        if ((obj.outputsRoot != null && obj.outputsRoot.byteLength > 0)) {
          w.uint32(82)
          w.bytes(obj.outputsRoot)
        }

        if ((obj.configHash != null && obj.configHash.byteLength > 0)) {
          w.uint32(90)
          w.bytes(obj.configHash)
        }

        if ((obj.support != null && obj.support !== 0)) {
          w.uint32(96)
          w.uint32(obj.support)
        }

        if (obj.proposals != null && obj.proposals.length > 0) {
          for (const value of obj.proposals) {
            w.uint32(106)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          version: 0,
          networkId: uint8ArrayAlloc(0),
          seq: 0,
          prevHash: uint8ArrayAlloc(0),
          timeMs: 0,
          usersHash: uint8ArrayAlloc(0),
          inputsHash: uint8ArrayAlloc(0),
          resultStatus: 0,
          stateRoot: uint8ArrayAlloc(0),
          outputsRoot: uint8ArrayAlloc(0),
          configHash: uint8ArrayAlloc(0),
          support: 0,
          proposals: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.version = reader.uint32()
              break
            }
            case 2: {
              obj.networkId = reader.bytes()
              break
            }
            case 3: {
              obj.seq = reader.uint64Number()
              break
            }
            case 4: {
              obj.prevHash = reader.bytes()
              break
            }
            case 5: {
              obj.timeMs = reader.uint64Number()
              break
            }
            case 6: {
              obj.usersHash = reader.bytes()
              break
            }
            case 7: {
              obj.inputsHash = reader.bytes()
              break
            }
            case 8: {
              obj.resultStatus = reader.uint32()
              break
            }
            case 9: {
              obj.stateRoot = reader.bytes()
              break
            }
            case 10: {
              obj.outputsRoot = reader.bytes()
              break
            }
            case 11: {
              obj.configHash = reader.bytes()
              break
            }
            case 12: {
              obj.support = reader.uint32()
              break
            }
            case 13: {
              if (opts.limits?.proposals != null && obj.proposals.length === opts.limits.proposals) {
                throw new MaxLengthError('Decode error - repeated field "proposals" had too many elements')
              }

              obj.proposals.push(reader.bytes())
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
          proposals: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.version`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.networkId`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.seq`,
                value: reader.uint64Number()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.prevHash`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.timeMs`,
                value: reader.uint64Number()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.usersHash`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.inputsHash`,
                value: reader.bytes()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.resultStatus`,
                value: reader.uint32()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.stateRoot`,
                value: reader.bytes()
              }
              break
            }
            case 10: {
              yield {
                field: `${prefix}.outputsRoot`,
                value: reader.bytes()
              }
              break
            }
            case 11: {
              yield {
                field: `${prefix}.configHash`,
                value: reader.bytes()
              }
              break
            }
            case 12: {
              yield {
                field: `${prefix}.support`,
                value: reader.uint32()
              }
              break
            }
            case 13: {
              if (opts.limits?.proposals != null && obj.proposals === opts.limits.proposals) {
                throw new MaxLengthError('Streaming decode error - repeated field "proposals" had too many elements')
              }

              yield {
                field: `${prefix}.proposals[]`,
                index: obj.proposals,
                value: reader.bytes()
              }

              obj.proposals++

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

  export interface LedgerHeaderVersionFieldEvent {
    field: '$.version'
    value: number
  }

  export interface LedgerHeaderNetworkIdFieldEvent {
    field: '$.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerHeaderSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface LedgerHeaderPrevHashFieldEvent {
    field: '$.prevHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerHeaderTimeMsFieldEvent {
    field: '$.timeMs'
    value: number
  }

  export interface LedgerHeaderUsersHashFieldEvent {
    field: '$.usersHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerHeaderInputsHashFieldEvent {
    field: '$.inputsHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerHeaderResultStatusFieldEvent {
    field: '$.resultStatus'
    value: number
  }

  export interface LedgerHeaderStateRootFieldEvent {
    field: '$.stateRoot'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerHeaderOutputsRootFieldEvent {
    field: '$.outputsRoot'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerHeaderConfigHashFieldEvent {
    field: '$.configHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerHeaderSupportFieldEvent {
    field: '$.support'
    value: number
  }

  export interface LedgerHeaderProposalsFieldEvent {
    field: '$.proposals[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<LedgerHeader>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, LedgerHeader.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LedgerHeader>): LedgerHeader {
    return decodeMessage(buf, LedgerHeader.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LedgerHeader>): Generator<LedgerHeaderVersionFieldEvent | LedgerHeaderNetworkIdFieldEvent | LedgerHeaderSeqFieldEvent | LedgerHeaderPrevHashFieldEvent | LedgerHeaderTimeMsFieldEvent | LedgerHeaderUsersHashFieldEvent | LedgerHeaderInputsHashFieldEvent | LedgerHeaderResultStatusFieldEvent | LedgerHeaderStateRootFieldEvent | LedgerHeaderOutputsRootFieldEvent | LedgerHeaderConfigHashFieldEvent | LedgerHeaderSupportFieldEvent | LedgerHeaderProposalsFieldEvent> {
    return streamMessage(buf, LedgerHeader.codec(), opts)
  }
}

export interface LedgerInput {
  user: number
  id: Uint8Array<ArrayBuffer>
  content: Uint8Array<ArrayBuffer>
  untilSeq: number
}

export namespace LedgerInput {
  let _codec: Codec<LedgerInput>

  export const codec = (): Codec<LedgerInput> => {
    if (_codec == null) {
      _codec = message<LedgerInput>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.user != null && obj.user !== 0)) {
          w.uint32(8)
          w.uint32(obj.user)
        }

        if ((obj.id != null && obj.id.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.id)
        }

        if ((obj.content != null && obj.content.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.content)
        }

        if ((obj.untilSeq != null && obj.untilSeq !== 0)) {
          w.uint32(32)
          w.uint64Number(obj.untilSeq)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          user: 0,
          id: uint8ArrayAlloc(0),
          content: uint8ArrayAlloc(0),
          untilSeq: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.user = reader.uint32()
              break
            }
            case 2: {
              obj.id = reader.bytes()
              break
            }
            case 3: {
              obj.content = reader.bytes()
              break
            }
            case 4: {
              obj.untilSeq = reader.uint64Number()
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
                field: `${prefix}.user`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.id`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.content`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.untilSeq`,
                value: reader.uint64Number()
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

  export interface LedgerInputUserFieldEvent {
    field: '$.user'
    value: number
  }

  export interface LedgerInputIdFieldEvent {
    field: '$.id'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerInputContentFieldEvent {
    field: '$.content'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerInputUntilSeqFieldEvent {
    field: '$.untilSeq'
    value: number
  }

  export function encode (obj: Partial<LedgerInput>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, LedgerInput.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LedgerInput>): LedgerInput {
    return decodeMessage(buf, LedgerInput.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LedgerInput>): Generator<LedgerInputUserFieldEvent | LedgerInputIdFieldEvent | LedgerInputContentFieldEvent | LedgerInputUntilSeqFieldEvent> {
    return streamMessage(buf, LedgerInput.codec(), opts)
  }
}

export interface LedgerBody {
  users: Uint8Array<ArrayBuffer>[]
  inputs: LedgerInput[]
}

export namespace LedgerBody {
  let _codec: Codec<LedgerBody>

  export const codec = (): Codec<LedgerBody> => {
    if (_codec == null) {
      _codec = message<LedgerBody>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.users != null && obj.users.length > 0) {
          for (const value of obj.users) {
            w.uint32(10)
            w.bytes(value)
          }
        }

        if (obj.inputs != null && obj.inputs.length > 0) {
          for (const value of obj.inputs) {
            w.uint32(18)
            LedgerInput.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          users: [],
          inputs: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.users != null && obj.users.length === opts.limits.users) {
                throw new MaxLengthError('Decode error - repeated field "users" had too many elements')
              }

              obj.users.push(reader.bytes())
              break
            }
            case 2: {
              if (opts.limits?.inputs != null && obj.inputs.length === opts.limits.inputs) {
                throw new MaxLengthError('Decode error - repeated field "inputs" had too many elements')
              }

              obj.inputs.push(LedgerInput.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.inputs$
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
          users: 0,
          inputs: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.users != null && obj.users === opts.limits.users) {
                throw new MaxLengthError('Streaming decode error - repeated field "users" had too many elements')
              }

              yield {
                field: `${prefix}.users[]`,
                index: obj.users,
                value: reader.bytes()
              }

              obj.users++

              break
            }
            case 2: {
              if (opts.limits?.inputs != null && obj.inputs === opts.limits.inputs) {
                throw new MaxLengthError('Streaming decode error - repeated field "inputs" had too many elements')
              }

              for (const evt of LedgerInput.codec().stream(reader, reader.uint32(), `${prefix}.inputs[]`, {
                limits: opts.limits?.inputs$
              })) {
                yield {
                  ...evt,
                  index: obj.inputs
                }
              }

              obj.inputs++

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

  export interface LedgerBodyUsersFieldEvent {
    field: '$.users[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerBodyInputsUserFieldEvent {
    field: '$.inputs[].user'
    value: number
    index: number
  }

  export interface LedgerBodyInputsIdFieldEvent {
    field: '$.inputs[].id'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface LedgerBodyInputsContentFieldEvent {
    field: '$.inputs[].content'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface LedgerBodyInputsUntilSeqFieldEvent {
    field: '$.inputs[].untilSeq'
    value: number
    index: number
  }

  export function encode (obj: Partial<LedgerBody>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, LedgerBody.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LedgerBody>): LedgerBody {
    return decodeMessage(buf, LedgerBody.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LedgerBody>): Generator<LedgerBodyUsersFieldEvent | LedgerBodyInputsUserFieldEvent | LedgerBodyInputsIdFieldEvent | LedgerBodyInputsContentFieldEvent | LedgerBodyInputsUntilSeqFieldEvent> {
    return streamMessage(buf, LedgerBody.codec(), opts)
  }
}

export interface CertificateSignature {
  validator: number
  signature: Uint8Array<ArrayBuffer>
}

export namespace CertificateSignature {
  let _codec: Codec<CertificateSignature>

  export const codec = (): Codec<CertificateSignature> => {
    if (_codec == null) {
      _codec = message<CertificateSignature>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.validator != null && obj.validator !== 0)) {
          w.uint32(8)
          w.uint32(obj.validator)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          validator: 0,
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.validator = reader.uint32()
              break
            }
            case 2: {
              obj.signature = reader.bytes()
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
                field: `${prefix}.validator`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.signature`,
                value: reader.bytes()
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

  export interface CertificateSignatureValidatorFieldEvent {
    field: '$.validator'
    value: number
  }

  export interface CertificateSignatureSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<CertificateSignature>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, CertificateSignature.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CertificateSignature>): CertificateSignature {
    return decodeMessage(buf, CertificateSignature.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CertificateSignature>): Generator<CertificateSignatureValidatorFieldEvent | CertificateSignatureSignatureFieldEvent> {
    return streamMessage(buf, CertificateSignature.codec(), opts)
  }
}

export interface Certificate {
  seq: number
  attempt: number
  hash: Uint8Array<ArrayBuffer>
  signatures: CertificateSignature[]
}

export namespace Certificate {
  let _codec: Codec<Certificate>

  export const codec = (): Codec<Certificate> => {
    if (_codec == null) {
      _codec = message<Certificate>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(8)
          w.uint64Number(obj.seq)
        }

        if ((obj.attempt != null && obj.attempt !== 0)) {
          w.uint32(16)
          w.uint32(obj.attempt)
        }

        if ((obj.hash != null && obj.hash.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.hash)
        }

        if (obj.signatures != null && obj.signatures.length > 0) {
          for (const value of obj.signatures) {
            w.uint32(34)
            CertificateSignature.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          seq: 0,
          attempt: 0,
          hash: uint8ArrayAlloc(0),
          signatures: []
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
              obj.attempt = reader.uint32()
              break
            }
            case 3: {
              obj.hash = reader.bytes()
              break
            }
            case 4: {
              if (opts.limits?.signatures != null && obj.signatures.length === opts.limits.signatures) {
                throw new MaxLengthError('Decode error - repeated field "signatures" had too many elements')
              }

              obj.signatures.push(CertificateSignature.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.signatures$
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
          signatures: 0
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
                field: `${prefix}.attempt`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.hash`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              if (opts.limits?.signatures != null && obj.signatures === opts.limits.signatures) {
                throw new MaxLengthError('Streaming decode error - repeated field "signatures" had too many elements')
              }

              for (const evt of CertificateSignature.codec().stream(reader, reader.uint32(), `${prefix}.signatures[]`, {
                limits: opts.limits?.signatures$
              })) {
                yield {
                  ...evt,
                  index: obj.signatures
                }
              }

              obj.signatures++

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

  export interface CertificateSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface CertificateAttemptFieldEvent {
    field: '$.attempt'
    value: number
  }

  export interface CertificateHashFieldEvent {
    field: '$.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CertificateSignaturesValidatorFieldEvent {
    field: '$.signatures[].validator'
    value: number
    index: number
  }

  export interface CertificateSignaturesSignatureFieldEvent {
    field: '$.signatures[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<Certificate>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Certificate.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Certificate>): Certificate {
    return decodeMessage(buf, Certificate.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Certificate>): Generator<CertificateSeqFieldEvent | CertificateAttemptFieldEvent | CertificateHashFieldEvent | CertificateSignaturesValidatorFieldEvent | CertificateSignaturesSignatureFieldEvent> {
    return streamMessage(buf, Certificate.codec(), opts)
  }
}

export interface LedgerRecord {
  header: Uint8Array<ArrayBuffer>
  body: Uint8Array<ArrayBuffer>
  certificate?: Certificate
  config: Uint8Array<ArrayBuffer>
}

export namespace LedgerRecord {
  let _codec: Codec<LedgerRecord>

  export const codec = (): Codec<LedgerRecord> => {
    if (_codec == null) {
      _codec = message<LedgerRecord>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.header != null && obj.header.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.header)
        }

        if ((obj.body != null && obj.body.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.body)
        }

        if (obj.certificate != null) {
          w.uint32(26)
          Certificate.codec().encode(obj.certificate, w)
        }

        if ((obj.config != null && obj.config.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.config)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          header: uint8ArrayAlloc(0),
          body: uint8ArrayAlloc(0),
          config: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.header = reader.bytes()
              break
            }
            case 2: {
              obj.body = reader.bytes()
              break
            }
            case 3: {
              obj.certificate = Certificate.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.certificate
              })
              break
            }
            case 4: {
              obj.config = reader.bytes()
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
                field: `${prefix}.header`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.body`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield * Certificate.codec().stream(reader, reader.uint32(), `${prefix}.certificate`, {
                limits: opts.limits?.certificate
              })

              break
            }
            case 4: {
              yield {
                field: `${prefix}.config`,
                value: reader.bytes()
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

  export interface LedgerRecordHeaderFieldEvent {
    field: '$.header'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerRecordBodyFieldEvent {
    field: '$.body'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerRecordCertificateSeqFieldEvent {
    field: '$.certificate.seq'
    value: number
  }

  export interface LedgerRecordCertificateAttemptFieldEvent {
    field: '$.certificate.attempt'
    value: number
  }

  export interface LedgerRecordCertificateHashFieldEvent {
    field: '$.certificate.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface LedgerRecordCertificateSignaturesValidatorFieldEvent {
    field: '$.certificate.signatures[].validator'
    value: number
    index: number
  }

  export interface LedgerRecordCertificateSignaturesSignatureFieldEvent {
    field: '$.certificate.signatures[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface LedgerRecordConfigFieldEvent {
    field: '$.config'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<LedgerRecord>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, LedgerRecord.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LedgerRecord>): LedgerRecord {
    return decodeMessage(buf, LedgerRecord.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LedgerRecord>): Generator<LedgerRecordHeaderFieldEvent | LedgerRecordBodyFieldEvent | LedgerRecordCertificateSeqFieldEvent | LedgerRecordCertificateAttemptFieldEvent | LedgerRecordCertificateHashFieldEvent | LedgerRecordCertificateSignaturesValidatorFieldEvent | LedgerRecordCertificateSignaturesSignatureFieldEvent | LedgerRecordConfigFieldEvent> {
    return streamMessage(buf, LedgerRecord.codec(), opts)
  }
}

export interface UserOutput {
  key: Uint8Array<ArrayBuffer>
  content: Uint8Array<ArrayBuffer>
}

export namespace UserOutput {
  let _codec: Codec<UserOutput>

  export const codec = (): Codec<UserOutput> => {
    if (_codec == null) {
      _codec = message<UserOutput>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.key != null && obj.key.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.key)
        }

        if ((obj.content != null && obj.content.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.content)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          key: uint8ArrayAlloc(0),
          content: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.key = reader.bytes()
              break
            }
            case 2: {
              obj.content = reader.bytes()
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
                field: `${prefix}.key`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.content`,
                value: reader.bytes()
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

  export interface UserOutputKeyFieldEvent {
    field: '$.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface UserOutputContentFieldEvent {
    field: '$.content'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<UserOutput>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, UserOutput.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UserOutput>): UserOutput {
    return decodeMessage(buf, UserOutput.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UserOutput>): Generator<UserOutputKeyFieldEvent | UserOutputContentFieldEvent> {
    return streamMessage(buf, UserOutput.codec(), opts)
  }
}

export interface OutputList {
  outputs: UserOutput[]
}

export namespace OutputList {
  let _codec: Codec<OutputList>

  export const codec = (): Codec<OutputList> => {
    if (_codec == null) {
      _codec = message<OutputList>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.outputs != null && obj.outputs.length > 0) {
          for (const value of obj.outputs) {
            w.uint32(10)
            UserOutput.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          outputs: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.outputs != null && obj.outputs.length === opts.limits.outputs) {
                throw new MaxLengthError('Decode error - repeated field "outputs" had too many elements')
              }

              obj.outputs.push(UserOutput.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.outputs$
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
          outputs: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.outputs != null && obj.outputs === opts.limits.outputs) {
                throw new MaxLengthError('Streaming decode error - repeated field "outputs" had too many elements')
              }

              for (const evt of UserOutput.codec().stream(reader, reader.uint32(), `${prefix}.outputs[]`, {
                limits: opts.limits?.outputs$
              })) {
                yield {
                  ...evt,
                  index: obj.outputs
                }
              }

              obj.outputs++

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

  export interface OutputListOutputsKeyFieldEvent {
    field: '$.outputs[].key'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface OutputListOutputsContentFieldEvent {
    field: '$.outputs[].content'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<OutputList>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, OutputList.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<OutputList>): OutputList {
    return decodeMessage(buf, OutputList.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<OutputList>): Generator<OutputListOutputsKeyFieldEvent | OutputListOutputsContentFieldEvent> {
    return streamMessage(buf, OutputList.codec(), opts)
  }
}
