// workerd calls `fetch`, Lambda calls the handler: this is all that stands between.
import hello from "./index.js";

export default {
  async fetch(request) {
    return Response.json(await hello.handler(await request.json()));
  },
};
