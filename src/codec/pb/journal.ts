import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface JournalOwner {
  version: number
  networkId: Uint8Array<ArrayBuffer>
  key: Uint8Array<ArrayBuffer>
  salt: Uint8Array<ArrayBuffer>
}

export namespace JournalOwner {
  let _codec: Codec<JournalOwner>

  export const codec = (): Codec<JournalOwner> => {
    if (_codec == null) {
      _codec = message<JournalOwner>((obj, w, opts = {}) => {
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

        if ((obj.key != null && obj.key.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.key)
        }

        if ((obj.salt != null && obj.salt.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.salt)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          version: 0,
          networkId: uint8ArrayAlloc(0),
          key: uint8ArrayAlloc(0),
          salt: uint8ArrayAlloc(0)
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
              obj.key = reader.bytes()
              break
            }
            case 4: {
              obj.salt = reader.bytes()
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
                field: `${prefix}.networkId`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.key`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.salt`,
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

  export interface JournalOwnerVersionFieldEvent {
    field: '$.version'
    value: number
  }

  export interface JournalOwnerNetworkIdFieldEvent {
    field: '$.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalOwnerKeyFieldEvent {
    field: '$.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalOwnerSaltFieldEvent {
    field: '$.salt'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<JournalOwner>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, JournalOwner.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<JournalOwner>): JournalOwner {
    return decodeMessage(buf, JournalOwner.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<JournalOwner>): Generator<JournalOwnerVersionFieldEvent | JournalOwnerNetworkIdFieldEvent | JournalOwnerKeyFieldEvent | JournalOwnerSaltFieldEvent> {
    return streamMessage(buf, JournalOwner.codec(), opts)
  }
}

export interface JournalVote {
  payload: Uint8Array<ArrayBuffer>
  signature: Uint8Array<ArrayBuffer>
  proposals: Uint8Array<ArrayBuffer>[]
}

export namespace JournalVote {
  let _codec: Codec<JournalVote>

  export const codec = (): Codec<JournalVote> => {
    if (_codec == null) {
      _codec = message<JournalVote>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.payload != null && obj.payload.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.payload)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.signature)
        }

        if (obj.proposals != null && obj.proposals.length > 0) {
          for (const value of obj.proposals) {
            w.uint32(26)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          payload: uint8ArrayAlloc(0),
          signature: uint8ArrayAlloc(0),
          proposals: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.payload = reader.bytes()
              break
            }
            case 2: {
              obj.signature = reader.bytes()
              break
            }
            case 3: {
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
                field: `${prefix}.payload`,
                value: reader.bytes()
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
            case 3: {
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

  export interface JournalVotePayloadFieldEvent {
    field: '$.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalVoteSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalVoteProposalsFieldEvent {
    field: '$.proposals[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<JournalVote>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, JournalVote.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<JournalVote>): JournalVote {
    return decodeMessage(buf, JournalVote.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<JournalVote>): Generator<JournalVotePayloadFieldEvent | JournalVoteSignatureFieldEvent | JournalVoteProposalsFieldEvent> {
    return streamMessage(buf, JournalVote.codec(), opts)
  }
}

export interface JournalLock {
  seq: number
  attempt: number
  hash: Uint8Array<ArrayBuffer>
  proposals: Uint8Array<ArrayBuffer>[]
  prevotes: Uint8Array<ArrayBuffer>
}

export namespace JournalLock {
  let _codec: Codec<JournalLock>

  export const codec = (): Codec<JournalLock> => {
    if (_codec == null) {
      _codec = message<JournalLock>((obj, w, opts = {}) => {
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

        if (obj.proposals != null && obj.proposals.length > 0) {
          for (const value of obj.proposals) {
            w.uint32(34)
            w.bytes(value)
          }
        }

        if ((obj.prevotes != null && obj.prevotes.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.prevotes)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          seq: 0,
          attempt: 0,
          hash: uint8ArrayAlloc(0),
          proposals: [],
          prevotes: uint8ArrayAlloc(0)
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
              if (opts.limits?.proposals != null && obj.proposals.length === opts.limits.proposals) {
                throw new MaxLengthError('Decode error - repeated field "proposals" had too many elements')
              }

              obj.proposals.push(reader.bytes())
              break
            }
            case 5: {
              obj.prevotes = reader.bytes()
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
            case 5: {
              yield {
                field: `${prefix}.prevotes`,
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

  export interface JournalLockSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface JournalLockAttemptFieldEvent {
    field: '$.attempt'
    value: number
  }

  export interface JournalLockHashFieldEvent {
    field: '$.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalLockProposalsFieldEvent {
    field: '$.proposals[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalLockPrevotesFieldEvent {
    field: '$.prevotes'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<JournalLock>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, JournalLock.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<JournalLock>): JournalLock {
    return decodeMessage(buf, JournalLock.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<JournalLock>): Generator<JournalLockSeqFieldEvent | JournalLockAttemptFieldEvent | JournalLockHashFieldEvent | JournalLockProposalsFieldEvent | JournalLockPrevotesFieldEvent> {
    return streamMessage(buf, JournalLock.codec(), opts)
  }
}

export interface JournalRecord {
  owner?: JournalOwner
  proposal?: Uint8Array<ArrayBuffer>
  content?: Uint8Array<ArrayBuffer>
  vote?: JournalVote
  lock?: JournalLock
}

export namespace JournalRecord {
  let _codec: Codec<JournalRecord>

  export const codec = (): Codec<JournalRecord> => {
    if (_codec == null) {
      _codec = message<JournalRecord>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        obj = { ...obj }

        if (obj.lock != null) {
          obj.vote = undefined
          obj.content = undefined
          obj.proposal = undefined
          obj.owner = undefined
        }

        if (obj.vote != null) {
          obj.lock = undefined
          obj.content = undefined
          obj.proposal = undefined
          obj.owner = undefined
        }

        if (obj.content != null) {
          obj.lock = undefined
          obj.vote = undefined
          obj.proposal = undefined
          obj.owner = undefined
        }

        if (obj.proposal != null) {
          obj.lock = undefined
          obj.vote = undefined
          obj.content = undefined
          obj.owner = undefined
        }

        if (obj.owner != null) {
          obj.lock = undefined
          obj.vote = undefined
          obj.content = undefined
          obj.proposal = undefined
        }

        if (obj.owner != null) {
          w.uint32(10)
          JournalOwner.codec().encode(obj.owner, w)
        }

        if (obj.proposal != null) {
          w.uint32(18)
          w.bytes(obj.proposal)
        }

        if (obj.content != null) {
          w.uint32(26)
          w.bytes(obj.content)
        }

        if (obj.vote != null) {
          w.uint32(34)
          JournalVote.codec().encode(obj.vote, w)
        }

        if (obj.lock != null) {
          w.uint32(42)
          JournalLock.codec().encode(obj.lock, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.owner = JournalOwner.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.owner
              })
              break
            }
            case 2: {
              obj.proposal = reader.bytes()
              break
            }
            case 3: {
              obj.content = reader.bytes()
              break
            }
            case 4: {
              obj.vote = JournalVote.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.vote
              })
              break
            }
            case 5: {
              obj.lock = JournalLock.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.lock
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        if (obj.lock != null) {
          delete obj.vote
          delete obj.content
          delete obj.proposal
          delete obj.owner
        }

        if (obj.vote != null) {
          delete obj.lock
          delete obj.content
          delete obj.proposal
          delete obj.owner
        }

        if (obj.content != null) {
          delete obj.lock
          delete obj.vote
          delete obj.proposal
          delete obj.owner
        }

        if (obj.proposal != null) {
          delete obj.lock
          delete obj.vote
          delete obj.content
          delete obj.owner
        }

        if (obj.owner != null) {
          delete obj.lock
          delete obj.vote
          delete obj.content
          delete obj.proposal
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * JournalOwner.codec().stream(reader, reader.uint32(), `${prefix}.owner`, {
                limits: opts.limits?.owner
              })

              break
            }
            case 2: {
              yield {
                field: `${prefix}.proposal`,
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
              yield * JournalVote.codec().stream(reader, reader.uint32(), `${prefix}.vote`, {
                limits: opts.limits?.vote
              })

              break
            }
            case 5: {
              yield * JournalLock.codec().stream(reader, reader.uint32(), `${prefix}.lock`, {
                limits: opts.limits?.lock
              })

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

  export interface JournalRecordOwnerVersionFieldEvent {
    field: '$.owner.version'
    value: number
  }

  export interface JournalRecordOwnerNetworkIdFieldEvent {
    field: '$.owner.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordOwnerKeyFieldEvent {
    field: '$.owner.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordOwnerSaltFieldEvent {
    field: '$.owner.salt'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordProposalFieldEvent {
    field: '$.proposal'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordContentFieldEvent {
    field: '$.content'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordVotePayloadFieldEvent {
    field: '$.vote.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordVoteSignatureFieldEvent {
    field: '$.vote.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordVoteProposalsFieldEvent {
    field: '$.vote.proposals[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordLockSeqFieldEvent {
    field: '$.lock.seq'
    value: number
  }

  export interface JournalRecordLockAttemptFieldEvent {
    field: '$.lock.attempt'
    value: number
  }

  export interface JournalRecordLockHashFieldEvent {
    field: '$.lock.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordLockProposalsFieldEvent {
    field: '$.lock.proposals[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface JournalRecordLockPrevotesFieldEvent {
    field: '$.lock.prevotes'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<JournalRecord>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, JournalRecord.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<JournalRecord>): JournalRecord {
    return decodeMessage(buf, JournalRecord.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<JournalRecord>): Generator<JournalRecordOwnerVersionFieldEvent | JournalRecordOwnerNetworkIdFieldEvent | JournalRecordOwnerKeyFieldEvent | JournalRecordOwnerSaltFieldEvent | JournalRecordProposalFieldEvent | JournalRecordContentFieldEvent | JournalRecordVotePayloadFieldEvent | JournalRecordVoteSignatureFieldEvent | JournalRecordVoteProposalsFieldEvent | JournalRecordLockSeqFieldEvent | JournalRecordLockAttemptFieldEvent | JournalRecordLockHashFieldEvent | JournalRecordLockProposalsFieldEvent | JournalRecordLockPrevotesFieldEvent> {
    return streamMessage(buf, JournalRecord.codec(), opts)
  }
}
