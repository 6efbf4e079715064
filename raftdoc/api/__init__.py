"""HTTP: requests in, answers out, over any backend that keeps the contract of `backend.Backend`.

    server = HttpServer(backend, HttpSettings(), registry, on_fatal=crash)
    await server.start("127.0.0.1", 8101)
    ...
    await server.close(drain_s=10)

How a request travels:

    connection   aiohttp's parser; requests of one client in order; one write for an answer
    dispatcher   the checks that all operations share; deadline and level of consistency; the edge where errors end
    router       raw path -> operation, of the one table in `operations`
    parsing      what is large is parsed in a thread
    documents, listing, bulk, catalog, cluster      one module for each resource
    errors       class -> status, problem+json

The caller's duties:

1. One HttpServer per node, made and used on the loop's thread; `start` once, `close` once. Its own thread touches
   nothing but bytes.
2. The backend enforces the deadline in each Request: nothing here waits for a backend with a timer of its own. What
   waits for a body, or for the thread that parses it, is timed here.
3. `on_fatal` ends the process: it is called with an AssertionError or a Fatal, after the answer was prepared.
4. Drain the database before `close`: requests that wait are answered, new ones on open connections as well.

It knows no node, no group and no disk, retries nothing, and keeps no state between requests.
"""
