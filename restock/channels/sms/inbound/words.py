"""The words by which people end, resume or ask about our text messages, in the languages we write and some others.

Written as people write them; compared in the form of `plain`. Pure.
"""

from __future__ import annotations

from restock.channels.sms.inbound.plain import spellings

# Twilio acts on these by itself and answers them; nobody else needs to.
TWILIO_STOPS = frozenset(["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"])
TWILIO_STARTS = frozenset(["start", "unstop", "yes"])
TWILIO_HELPS = frozenset(["help", "info"])

# Those that mean nothing else: a few words more behind them change nothing.
CLEAR_STOPS_WRITTEN = """
    stop;stopp;stoppen;stopall;stop all;unsubscribe;unsub;unsubcribe;unsuscribe;unsubscribed;optout;opt out
    abmelden;abmeldung;abbestellen;austragen;arrêtez;arrêter;désabonner;désabonnez;désabonnement;désinscrire
    désinscrivez;désinscription;me désabonner;me désinscrire;darme de baja;dame de baja;denme de baja;disiscrivimi
    disiscrivetemi;cancellami;cancellatemi;descadastrar;descadastre;afmelden;uitschrijven;frameld;afmeld;avregistrera
    meld av;avmeld;wypisz;wypiszcie;odhlásit;odhlaste;leiratkozás;leiratkozom;dezabonare;dezabonați;διαγραφή
    отписаться;отпишите;отписка;стоп;відписатися;відпишіть;відписка;הסר;הסירו;להסרה;إلغاء الاشتراك
"""

# What people write who want no more, as a whole text; in a longer one it may mean something else.
STOPS_WRITTEN = """
    stop it;stop now;stop this;no more;enough;go away;leave me alone;wrong number;remove;remove me;not interested
    no thanks stop;bitte abmelden;keine nachrichten mehr;keine sms mehr;aufhören;bitte aufhören;abo beenden;beenden
    no texts;no messages;no sms
    arret;arrêt;arrête;plus de messages;plus de sms;ne plus recevoir;ça suffit;résilier;baja;alto;basta;parar;cancelar
    cancela;anular;no más;no más mensajes;no más sms;no enviar más;detener;ferma;fermare;annulla;niente più messaggi
    sair;pare;parem;remover;chega;cancelar inscrição;geen berichten meer;ikke flere beskeder;avsluta;sluta
    inga fler meddelanden;avslutt;slutt;ikke flere meldinger;lopeta;lopettakaa;peruuta;ei enää viestejä;wypisz mnie
    rezygnuję;rezygnacja;przestań;przestańcie;dość;zrušit;odhlášení;přestaňte;dost;elég;opriți;oprire;σταμάτα
    σταματήστε;στοπ;τέλος;отпишите меня;хватит;отмена;прекратите;не пишите;відпишіть мене;досить;не пишіть;скасувати
    ret;iptal;dur;durdur;mesaj istemiyorum;הפסק;תפסיקו;די;توقف;إيقاف;الغاء;إلغاء;للإلغاء;أوقف
    停止;配信停止;解約;解除;退会;수신거부;수신 거부;거부;중지;해지;그만;退订;退訂;取消
    取消订阅;取消訂閱;不要再发;不要再發;不要再傳;बंद करो;बंद करें;रोको;रोकें;बंद;hủy;dừng;ngừng
    berhenti;batal;stop na;ยกเลิก;หยุด
"""

STARTS_WRITTEN = """
    resume;anmelden;reprendre;alta;reanudar;riprendi;retomar;aanmelden;tilmeld;återuppta;старт;почати;devam;devam et
    再開;시작;开始;開始;恢复;恢復;חידוש;ابدأ
"""
HELPS_WRITTEN = """
    hilfe;aide;ayuda;aiuto;ajuda;hulp;hjælp;hjälp;hjelp;apua;pomoc;nápověda;segítség;ajutor;βοήθεια;помощь;допомога
    yardım;עזרה;مساعدة;ヘルプ;도움말;도움;帮助;幫助;मदद
"""
_POLITE_WRITTEN = """
    please;pls;plz;thanks;thx;thank;you;sorry;kindly;just;now;immediately;asap;hi;hello;hey;ok;okay;sir;madam
    bitte;danke;sofort;jetzt;hallo;svp;stp;s'il;vous;te;plaît;merci;maintenant;bonjour;por;favor;porfa;gracias;ya;ahora
    hola;per;favore;grazie;subito;ciao;obrigado;obrigada;agora;alstublieft;alsjeblieft;aub;bedankt;dank;nu;tak;takk;tack
    venligst;vennligst;kiitos;nyt;proszę;dzięki;dziękuję;teraz;prosím;děkuji;díky;kérem;köszönöm;vă;rog;mulțumesc;acum
    παρακαλώ;ευχαριστώ;пожалуйста;спасибо;будь;ласка;дякую;lütfen;teşekkürler;sağol;artık;בבקשה;תודה;שכרא;شكرا;من
    فضلك;رجاء;请;請;谢谢;謝謝;ください;お願いします;कृपया;धन्यवाद
"""
_NO_STOP_AFTER_WRITTEN = """
    by;at;over;off;in;near;around;selling;making;here;there;sign;signs;loss;motion;worrying;light;lights;watch;until;till
"""

CLEAR_STOPS = spellings(CLEAR_STOPS_WRITTEN)
STOPS = TWILIO_STOPS | CLEAR_STOPS | spellings(STOPS_WRITTEN)
STARTS = TWILIO_STARTS | spellings(STARTS_WRITTEN)
HELPS = TWILIO_HELPS | spellings(HELPS_WRITTEN)
POLITE = spellings(_POLITE_WRITTEN)
NO_STOP_AFTER = spellings(_NO_STOP_AFTER_WRITTEN)
