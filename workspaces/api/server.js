import { app } from './app.js';

const port = process.env.PORT ?? 3000;
const server = app({ greeting: process.env.GREETING });
server.listen(port, () => console.log(`api listens on ${port}`));

// What is being answered is finished; then there is nothing left that would keep node alive.
process.on('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
});
