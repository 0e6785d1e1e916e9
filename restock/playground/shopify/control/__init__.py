"""The control API: JSON on the fake's own port, for tests, the demo and the playground's page.

    GET  /control                      faults, counts, and every shop in short
    POST /control/faults               {copies, delay_seconds, is_lost, is_shuffled, throttled, outage}
    POST /control/troubles             {name, times, seconds, where}, see troubles.py; {} forgets them
    POST /control/bucket               {holds, restores, empty}
    POST /control/shops                {domain, name, …} opens a shop; {seed: true} with the playground's goods
    GET  /control/shops/D              everything of a shop but tokens
    POST /control/shops/D/open         {store_url}: where the shop's pages and pictures are
    POST /control/shops/D/announce     sends every product and level
    POST /control/shops/D/levels       {variant_id, location_id, available}
    POST /control/shops/D/products     {product_id, …} changes one; {product_id, deleted: true} deletes it
    POST /control/shops/D/variants     {variant_id, …} changes one
    POST /control/shops/D/orders       {variant_id, quantity, email, phone} buys
    POST /control/shops/D/shop         {name, currency, …} changes the shop
    POST /control/shops/D/scopes       {scopes: […]}
    POST /control/shops/D/lag          {on}: online quantities stay as they are, or are true again
    POST /control/shops/D/tokens       {expire: true} lets every access token be over
    POST /control/shops/D/id-token     gives {id_token}
    POST /control/shops/D/uninstall · /install
    POST /control/shops/D/compliance   {topic, email, phone}
    POST /control/shops/D/webhooks     {topic, body} sends anything

A deed answers {"webhooks": […]}: the answer to each webhook it sent, waited for unless `wait` is false or webhooks are
late. It listens on 127.0.0.1 alone and takes application/json alone, which no other site's page can send.
"""
