#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Purpose: a real mail server (Debian's aiosmtpd) for tests: mail_server.py FOLDER [tls CERT KEY]
# [auth USER PASSWORD] [refuse ADDRESS] [smtps]. Prints its port; writes each mail into the folder.
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Keeper:
    def __init__(self, folder, refused):
        self.folder, self.refused, self.count = folder, refused, 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == self.refused:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        path = os.path.join(self.folder, "%06d.json" % self.count)
        with open(path + ".new", "w") as f:
            json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos,
                       "user": getattr(session, "user", None), "tls": session.ssl is not None,
                       "mail": envelope.content.decode("latin-1")}, f)
        os.rename(path + ".new", path)
        return "250 2.0.0 taken"


def main():
    options, folder = sys.argv[2:], sys.argv[1]
    context = user = refused = None
    smtps = "smtps" in options
    if "tls" in options:
        at = options.index("tls")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options[at + 1], options[at + 2])
    if "auth" in options:
        user = options[options.index("auth") + 1:][:2]
    if "refuse" in options:
        refused = options[options.index("refuse") + 1]

    def authenticate(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and [data.login.decode(), data.password.decode()] == user
        if good:
            session.user = data.login.decode()
        return AuthResult(success=good, handled=good)

    def server():
        starttls = None if smtps else context
        return SMTP(keeper, tls_context=starttls, authenticator=authenticate if user else None,
                    auth_required=user is not None, auth_require_tls=starttls is not None, hostname="mail.test")

    async def serve():
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0,
                                                                  ssl=context if smtps else None)
        print(listener.sockets[0].getsockname()[1], flush=True)
        await listener.serve_forever()

    keeper = Keeper(folder, refused)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
