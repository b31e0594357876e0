// A small instance on Fedify, driven by JSON lines on stdin and answering each
// with one on stdout. It follows a relay in both dialects, publishes through it
// with every kind of signature, and lists what reached its listeners: Fedify
// calls them only for what it has verified.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import {
  createFederation, generateCryptoKeyPair, InProcessMessageQueue, MemoryKvStore,
  signJsonLd, signObject, signRequest, verifyJsonLd, verifyObject,
} from "@fedify/fedify";
import {
  Accept, Activity, Announce, Create, Delete, Follow, Note, Person, PUBLIC_COLLECTION, Reject, Service, Tombstone, Undo, Update,
} from "@fedify/vocab";
import { Temporal } from "@js-temporal/polyfill";

// firstKnock is the scheme that Fedify tries first by itself; software is what
// NodeInfo says; modern refuses what the relay signs by draft-cavage.
const { relay: base, firstKnock, software, version, modern } = JSON.parse(process.argv[2]);
const relay = new URL(base);
const names = { relay: Service, alice: Person };
const keys = {};
for (const name of Object.keys(names)) {
  keys[name] = [await generateCryptoKeyPair("RSASSA-PKCS1-v1_5"), await generateCryptoKeyPair("Ed25519")];
}
const notes = new Map();
const received = [];
const arrived = []; // every POST to an inbox: its text, the scheme of its signature, the answer
let refused = 0; // requests of the relay that were not modern

const federation = createFederation({
  kv: new MemoryKvStore(), queue: new InProcessMessageQueue({ pollInterval: { milliseconds: 100 } }),
  allowPrivateAddress: true, firstKnock,
});
federation
  .setActorDispatcher("/users/{identifier}", async (ctx, identifier) => {
    const kind = names[identifier];
    if (kind == null) return null;
    const pairs = await ctx.getActorKeyPairs(identifier);
    return new kind({
      id: ctx.getActorUri(identifier), preferredUsername: identifier, name: identifier, discoverable: true, indexable: true,
      inbox: ctx.getInboxUri(identifier), publicKey: pairs[0].cryptographicKey, assertionMethods: pairs.map((p) => p.multikey),
    });
  })
  .setKeyPairsDispatcher((_ctx, identifier) => keys[identifier] ?? []);
federation
  // Secure mode: a post is shown only to who signs.
  .setObjectDispatcher(Note, "/notes/{id}", (_ctx, { id }) => notes.get(id) ?? null)
  .authorize(async (ctx) => (await ctx.getSignedKeyOwner()) != null);
federation.setNodeInfoDispatcher("/nodeinfo/2.1", () => ({
  software: { name: software, version }, protocols: ["activitypub"],
  usage: { users: { total: 1, activeHalfyear: 1, activeMonth: 1 }, localPosts: 1, localComments: 0 },
}));

const note = (activity) => {
  received.push({
    type: activity.constructor.name, id: activity.id?.href ?? null, actor: activity.actorId?.href ?? null, object: activity.objectId?.href ?? null,
  });
};
federation
  .setInboxListeners("/users/{identifier}/inbox", "/inbox")
  .setSharedKeyDispatcher(() => ({ identifier: "relay" }))
  .on(Follow, async (ctx, follow) => {
    note(follow);
    await ctx.sendActivity({ identifier: "relay" }, await follow.getActor(ctx),
      new Accept({ id: new URL(`#accept-${crypto.randomUUID()}`, ctx.getActorUri("relay")), actor: ctx.getActorUri("relay"), object: follow }));
  })
  .on(Activity, (_ctx, activity) => note(activity))
  .onError((_ctx, error) => console.error("listener:", error));

const server = createServer(async (req, res) => {
  const chunks = [];
  for await (const c of req) chunks.push(c);
  const body = Buffer.concat(chunks);
  const headers = new Headers();
  for (let i = 0; i < req.rawHeaders.length; i += 2) headers.append(req.rawHeaders[i], req.rawHeaders[i + 1]);
  const scheme = headers.has("signature-input") ? "rfc9421" : headers.has("signature") ? "cavage" : "";
  if (modern && scheme === "cavage" && headers.get("signature").includes(relay.href)) {
    refused++;
    res.writeHead(401).end();
    return;
  }
  const request = new Request(new URL(req.url, `http://${req.headers.host}`), {
    method: req.method, headers, body: req.method === "POST" ? body : undefined,
  });
  let response;
  try {
    response = await federation.fetch(request, { contextData: undefined });
  } catch (error) {
    console.error("request:", error);
    response = new Response("error", { status: 500 });
  }
  if (req.method === "POST") {
    arrived.push({ text: body.toString(), scheme, status: response.status });
    console.error("inbox answered", response.status, scheme, body.toString().slice(0, 400));
  }
  res.writeHead(response.status, Object.fromEntries(response.headers));
  res.end(Buffer.from(await response.arrayBuffer()));
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const origin = new URL(`http://127.0.0.1:${server.address().port}`);
const ctx = federation.createContext(origin, undefined);
const loaders = { documentLoader: ctx.documentLoader, contextLoader: ctx.contextLoader };

const keyId = (name, fragment) => new URL(`#${fragment}`, ctx.getActorUri(name));
const relayInbox = new URL("/inbox", relay);
const relayActor = { id: new URL("/actor", relay), inboxId: relayInbox, endpoints: { sharedInbox: relayInbox } };

// post sends a document signed by hand, which fixes the scheme; no second knock.
async function post(doc, name, scheme) {
  const request = new Request(relayInbox, {
    method: "POST", headers: { "Content-Type": "application/activity+json" }, body: JSON.stringify(doc),
  });
  const signed = await signRequest(request, keys[name][0].privateKey, keyId(name, "main-key"), { spec: scheme });
  const response = await fetch(signed);
  return { status: response.status, answer: await response.text() };
}

async function finish(activity, name, { http, ld, proof }) {
  if (proof) activity = await signObject(activity, keys[name][1].privateKey, keyId(name, "multikey-2"), loaders);
  let doc = await activity.toJsonLd({ ...loaders, format: "compact" });
  // Fedify writes Public in full before it signs and sends.
  doc = JSON.parse(JSON.stringify(doc).replaceAll('"as:Public"', `"${PUBLIC_COLLECTION.href}"`));
  if (ld) doc = await signJsonLd(doc, keys[name][0].privateKey, keyId(name, "main-key"), loaders);
  const answer = await post(doc, name, http);
  return { ...answer, id: activity.id.href, object: activity.objectId?.href ?? null, doc };
}

function write(content) {
  const id = crypto.randomUUID();
  const alice = ctx.getActorUri("alice");
  const made = new Note({
    id: ctx.getObjectUri(Note, { id }), attribution: alice, to: PUBLIC_COLLECTION, content: `<p>${content}</p>`,
    published: Temporal.Now.instant(), url: new URL(`/@alice/${id}`, origin),
  });
  notes.set(id, made);
  return made;
}

const commands = {
  follow: async ({ object, http }) => {
    const actor = ctx.getActorUri("relay");
    const follow = new Follow({
      id: new URL(`#follow-${crypto.randomUUID()}`, actor), actor, object: object === "public" ? PUBLIC_COLLECTION : relayActor.id,
      to: object === "public" ? undefined : relayActor.id,
    });
    commands.last = follow;
    return await finish(follow, "relay", { http });
  },
  unfollow: async ({ http }) => await finish(new Undo({
    id: new URL(`#undo-${crypto.randomUUID()}`, ctx.getActorUri("relay")), actor: ctx.getActorUri("relay"), object: commands.last,
  }), "relay", { http }),
  publish: async ({ content, ...how }) => {
    const made = write(content);
    return await finish(new Create({
      id: new URL(`${made.id.href}#create`), actor: made.attributionId, to: PUBLIC_COLLECTION, object: made, published: made.published,
    }), "alice", how);
  },
  // announce is LitePub's way: the instance announces a post of its author.
  announce: async ({ content, http }) => {
    const made = write(content);
    const out = await finish(new Announce({
      id: new URL(`#announce-${crypto.randomUUID()}`, ctx.getActorUri("relay")), actor: ctx.getActorUri("relay"), object: made.id, to: PUBLIC_COLLECTION,
    }), "relay", { http });
    return { ...out, object: made.id.href };
  },
  // send lets Fedify do it all as an application would.
  send: async ({ content }) => {
    const made = write(content);
    await ctx.sendActivity({ identifier: "alice" }, relayActor, new Create({
      id: new URL(`${made.id.href}#create`), actor: made.attributionId, to: PUBLIC_COLLECTION, object: made, published: made.published,
    }), { immediate: true });
    return { object: made.id.href };
  },
  edit: async ({ object, content, ...how }) => {
    const old = notes.get(object.split("/").at(-1));
    const made = old.clone({ content: `<p>${content}</p>`, updated: Temporal.Now.instant() });
    notes.set(object.split("/").at(-1), made);
    return await finish(new Update({
      id: new URL(`${object}#update-${crypto.randomUUID()}`), actor: made.attributionId, to: PUBLIC_COLLECTION, object: made,
    }), "alice", how);
  },
  remove: async ({ object, ...how }) => {
    notes.delete(object.split("/").at(-1));
    return await finish(new Delete({
      id: new URL(`${object}#delete`), actor: ctx.getActorUri("alice"), to: PUBLIC_COLLECTION, object: new Tombstone({ id: new URL(object) }),
    }), "alice", how);
  },
  received: () => ({ list: received, refused }),
  arrived: () => ({
    list: arrived.map(({ text, scheme, status }) => {
      const doc = JSON.parse(text);
      return {
        type: doc.type, id: doc.id, actor: doc.actor, object: doc.object?.id ?? doc.object, scheme, status,
        ld: doc.signature != null, proof: doc.proof != null,
      };
    }),
  }),
  // again puts what arrived for an object into the inbox without any HTTP
  // signature, with other words in it if told so: what is answered then rests
  // on the proof inside.
  again: async ({ object, words }) => {
    const found = arrived.map(({ text }) => JSON.parse(text)).find((d) => d.type === "Create" && d.object?.id === object);
    if (words != null) found.object.content = words;
    const response = await fetch(new URL("/inbox", origin), {
      method: "POST", headers: { "Content-Type": "application/activity+json" }, body: JSON.stringify(found),
    });
    return { status: response.status, answer: await response.text() };
  },
  // prove checks what the relay said of its own by Fedify's own verifiers.
  prove: async ({ type }) => {
    const out = [];
    for (const { text } of arrived) {
      const doc = JSON.parse(text);
      if (doc.type !== type || doc.actor !== relayActor.id.href) continue;
      out.push({
        id: doc.id,
        ld: doc.signature == null ? null : await verifyJsonLd(doc, loaders),
        proof: doc.proof == null ? null : (await verifyObject(Activity, doc, loaders)) != null,
      });
    }
    return { list: out };
  },
};

console.log(JSON.stringify({ origin: origin.origin, actor: ctx.getActorUri("relay").href, author: ctx.getActorUri("alice").href }));
createInterface({ input: process.stdin }).on("line", async (line) => {
  const { do: name, ...args } = JSON.parse(line);
  let out;
  try {
    out = await commands[name](args);
  } catch (error) {
    out = { error: String(error?.stack ?? error) };
  }
  console.log(JSON.stringify(out));
}).on("close", () => process.exit(0));
